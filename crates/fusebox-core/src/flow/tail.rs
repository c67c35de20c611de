//! The body behind a response head.

use super::Circuits;
use crate::breaker::Watched;
use crate::{Outcome, Time};

/// A good response head's body, on its way to the caller. No retry and no fallback any more; only the verdict is open.
#[derive(Debug)]
#[must_use = "a tail that is not settled is a call that never ended"]
pub struct Tail {
    pub(super) held: Watched,
    pub(super) endpoint: usize,
    /// From the call to its response head, in nanoseconds.
    pub(super) elapsed: u64,
    pub(super) settle_by: Time,
}

impl Tail {
    /// Settle with a success at this moment if the body has not ended by then: a stream may last for ever.
    pub fn settle_by(&self) -> Time {
        self.settle_by
    }

    /// The body has come to this. The slow clock stopped at the head.
    pub fn settle(self, circuits: &impl Circuits, outcome: Outcome, now: Time) {
        let held = self.held.timed_from(now.minus_nanos(self.elapsed));
        circuits.circuit(self.endpoint).settle_watched(held, outcome, now);
    }
}
