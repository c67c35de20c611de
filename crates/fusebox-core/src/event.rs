//! Rare things worth telling: values, delivered after every lock is released.

use crate::Time;
use crate::breaker::{Cause, Hold, Settings, State};
use alloc::sync::Arc;

/// Something rare happened to a circuit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The circuit changed its state. Changes are told in order, and none twice; a listener that falls 32 events behind
    /// loses the oldest. Nothing is lost in [`Totals::changes`](crate::breaker::Totals::changes).
    Transition(Transition),
    /// An operator took hold of the circuit.
    Held(Arc<Hold>),
    /// An operator's hold ended, by hand or by its expiry.
    Released(Arc<Hold>),
    /// The circuit runs on new settings. Its state and open time are kept.
    Reconfigured {
        /// The settings before.
        old: Arc<Settings>,
        /// The settings from now on.
        new: Arc<Settings>,
        /// Whether the window's content was carried over; if not, it starts empty.
        window_kept: bool,
        /// When.
        at: Time,
    },
    /// fusebox's own code panicked. The call was let through; told once a second at most.
    InternalFault {
        /// Faults of this circuit so far.
        total: u64,
        /// When.
        at: Time,
    },
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// What moved it.
    pub cause: Cause,
    /// When it took effect. A transition that was due earlier carries the moment it was due.
    pub at: Time,
    /// The epoch that began.
    pub epoch: u64,
    /// When an open circuit will probe; [`Time::NEVER`] otherwise.
    pub retry_at: Time,
    /// Whether the circuit shadows: it tells what it would do, and callers notice nothing.
    pub shadow: bool,
}
