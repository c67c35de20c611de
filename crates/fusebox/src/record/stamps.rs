//! When attempts in flight began.

use super::trace::TraceId;
use super::{FailedCall, Record};
use crate::circuit::CircuitBreaker;
use crate::{Outcome, Time};
use fusebox_core::flow::Try;
use std::time::Duration;

/// When the attempts in flight of one call began, as far as anybody records them. At most two are, of which one is a hedge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps([Option<(Try, Time)>; 2]);

impl Stamps {
    /// An attempt begins, through this circuit.
    #[inline(always)]
    pub fn begin(&mut self, of: Try, circuit: &CircuitBreaker) {
        if circuit.is_recording() {
            self.stamp(of, circuit.clock().stamp());
        }
    }

    #[cold]
    fn stamp(&mut self, of: Try, now: Time) {
        let free = usize::from(self.0[0].is_some());
        self.0[free] = Some((of, now));
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none() && self.0[1].is_none()
    }

    /// An attempt is over: it, and when it began. Only its number counts.
    pub fn end(&mut self, attempt: u32) -> Option<(Try, Time)> {
        self.0.iter_mut().find_map(|stamp| stamp.take_if(|(of, _)| of.attempt == attempt))
    }

    /// Takes time that was not the endpoint's off all of them.
    pub fn excuse(&mut self, span: Duration) {
        self.0.iter_mut().flatten().for_each(|(_, began)| *began = *began + span);
    }
}

/// An attempt that is over, for the records of the circuits that it went through.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// How long it took.
    pub took: Duration,
    /// What it was.
    pub outcome: Outcome,
    /// The trace that its call belongs to, if that is known.
    pub trace: Option<TraceId>,
}

impl Attempt {
    /// Tells `record`, now; `about` says more of a failing one.
    pub fn tell(self, record: &Record, at: Time, about: impl FnOnce(FailedCall) -> FailedCall) {
        match self.outcome {
            Outcome::Success => record.took(self.took, self.trace, at),
            Outcome::Failure(kind) => {
                record.took(self.took, self.trace, at);
                let call = FailedCall { trace: self.trace, ..FailedCall::new(kind, self.took, at) };
                record.failed(about(call));
            }
            Outcome::Ignored | Outcome::Cancelled => {}
        }
    }
}
