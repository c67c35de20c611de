//! Every transition of every circuit, in order.

use fusebox::Registry;
use fusebox_core::Time;
use fusebox_core::event::{Event, Transition};
use std::sync::{Arc, Mutex, PoisonError};

/// What a circuit did, with its name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) circuit: String,
    pub(super) change: Transition,
}

/// The transitions so far. A cheap handle: clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Arc<Mutex<Vec<Entry>>>);

impl Transcript {
    /// Writes down what the circuits of `registry` do from now on.
    pub(super) fn of(registry: &Registry) -> Self {
        let transcript = Transcript::default();
        let entries = transcript.0.clone();
        let note = move |circuit: &str, event: &Event| {
            if let Event::Transition(change) = event {
                let entry = Entry { circuit: circuit.to_owned(), change: *change };
                entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            }
        };
        // The proxy makes what is due happen on time; it needs no timer thread besides.
        registry.subscribe(Arc::new(note));
        transcript
    }

    /// The transitions since `start`, oldest first.
    pub(super) fn since(&self, start: Time) -> Vec<Entry> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<_> = entries.iter().filter(|entry| entry.change.at >= start).cloned().collect();
        entries.sort_by_key(|entry| entry.change.at);
        entries
    }
}
