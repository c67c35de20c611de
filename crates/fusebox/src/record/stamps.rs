//! When attempts in flight began.

use super::trace::TraceId;
use super::{FailedCall, Record};
use crate::circuit::CircuitBreaker;
use crate::{Outcome, Time};
use fusebox_core::flow::Try;
use std::time::Duration;

/// When the attempts in flight of one call began, as far as anybody records them. At most two are, of which one is a hedge. A few
/// words that cost nothing to make: a walk that nobody records has them too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    /// Their numbers; 0 where there is none.
    attempts: [u32; 2],
    began: [Time; 2],
}

impl Stamps {
    /// An attempt begins, through this circuit.
    #[inline(always)]
    pub fn begin(&mut self, of: Try, circuit: &CircuitBreaker) {
        if circuit.is_recording() {
            let free = usize::from(self.attempts[0] != 0);
            (self.attempts[free], self.began[free]) = (of.attempt, circuit.began());
        }
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.attempts == [0, 0]
    }

    /// An attempt is over: when it began.
    #[inline(always)]
    pub fn end(&mut self, of: Try) -> Option<Time> {
        let at = self.attempts.iter().position(|attempt| *attempt == of.attempt && *attempt != 0)?;
        self.attempts[at] = 0;
        Some(self.began[at])
    }

    /// Takes time that was not the endpoint's off all of them.
    pub fn excuse(&mut self, span: Duration) {
        self.began.iter_mut().for_each(|began| *began = *began + span);
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
