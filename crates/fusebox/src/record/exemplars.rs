//! For each coarse bucket, the latest attempt whose trace is known.

use super::buckets::{EDGES, coarse_of};
use super::trace::TraceId;
use crate::Time;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

const PLACES: usize = EDGES.len() + 1;
type Places = [Option<Exemplar>; PLACES];

/// What they take up at most.
#[cfg(test)]
pub(super) const MOST_BYTES: usize = size_of::<Mutex<Places>>();

/// One attempt, as an example of its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// The trace that its call belongs to.
    pub trace: TraceId,
    /// How long it took.
    pub took: Duration,
    /// When it ended, on the circuit's clock.
    pub at: Time,
}

/// Made when the first trace is known: most programs have none.
#[derive(Debug, Default)]
pub(super) struct Exemplars(OnceLock<Box<Mutex<Places>>>);

impl Exemplars {
    /// Keeps it as the latest of its bucket, unless somebody else is at it.
    pub(super) fn offer(&self, exemplar: Exemplar) {
        let nanos = u64::try_from(exemplar.took.as_nanos()).unwrap_or(u64::MAX);
        let places = self.0.get_or_init(Box::default);
        if let Ok(mut places) = places.try_lock() {
            places[coarse_of(nanos)] = Some(exemplar);
        }
    }

    /// All of them; `None` if no trace was ever known.
    pub(super) fn read(&self) -> Option<Places> {
        self.0.get().map(|places| *places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
