//! What circuits did.

use crate::circuit::CircuitBreaker;
use fusebox_core::event::Event;
use std::sync::{Arc, Mutex, PoisonError};

/// Writes down what circuits do, for as long as they live. Clones share one diary.
#[derive(Clone, Debug, Default)]
pub struct Diary(Arc<Mutex<Vec<(String, Event)>>>);

impl Diary {
    /// A diary of one circuit.
    pub fn of(circuit: &CircuitBreaker) -> Self {
        let diary = Diary::default();
        diary.follow(circuit);
        diary
    }

    /// Writes down what another circuit does, too.
    pub fn follow(&self, circuit: &CircuitBreaker) {
        let pages = self.0.clone();
        circuit.on_event(move |name, event| {
            pages.lock().unwrap_or_else(PoisonError::into_inner).push((name.into(), event.clone()));
        });
    }

    /// Every event so far, with the circuit's name, in the order they were told.
    pub fn events(&self) -> Vec<(String, Event)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The changes of state so far, each as `name: closed > open`.
    pub fn changes(&self) -> Vec<String> {
        let changes = self.events().into_iter().filter_map(|(name, event)| match event {
            Event::Transition(change) => Some(format!("{name}: {} > {}", change.from, change.to)),
            _ => None,
        });
        changes.collect()
    }
}
