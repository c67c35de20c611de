//! How long circuits have not been closed.
//!
//! A snapshot knows when the present state began; a circuit that goes from open to half-open and back for an hour begins
//! a state every few seconds. What an operator waits for is the circuit to close, so the moment it left closed is
//! remembered here, from its events.

use crate::breaker::{Snapshot, State};
use crate::event::Event;
use crate::{Registry, Time};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// When each circuit that is not closed left closed. By itself a registry lets go of closed circuits only, so this holds no
/// more names than it does; whoever has it let go of others has them forgotten here.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftClosed(Arc<Mutex<HashMap<String, Time>>>);

impl LeftClosed {
    /// Follows the circuits of `registry`.
    pub(crate) fn follow(registry: &Registry) -> LeftClosed {
        let followed = LeftClosed::default();
        let moments = followed.0.clone();
        registry.subscribe(Arc::new(move |name, event| {
            if let Event::Transition(change) = event {
                let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
                if change.to == State::Closed {
                    moments.remove(name);
                } else if change.from == State::Closed {
                    moments.insert(name.into(), change.at);
                }
            }
        }));
        followed
    }

    /// Forgets circuits that `registry` has let go of before they closed.
    pub(crate) fn forget_gone(&self, registry: &Registry) {
        let known: Vec<String> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for name in known.iter().filter(|name| registry.find(name).is_none()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    /// When the circuit left closed; `None` while it is closed. For one that did so before it was followed, when its
    /// present state began.
    pub(crate) fn moment(&self, name: &str, snapshot: &Snapshot) -> Option<Time> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        (snapshot.state != State::Closed).then(|| known.unwrap_or(snapshot.since).min(snapshot.since))
    }
}
