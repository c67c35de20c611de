//! What a walk carries outward.

use super::End;
use crate::pipeline::FallbackOn;
use crate::scope::Scope;
use crate::{Failure, Outcome, Rejection, Verdict};

/// What is carried outward.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    Verdict(Verdict),
    TimedOut,
    /// The deadline came while an attempt was on the wire; whether that speaks against the dependency.
    Deadline {
        failure: bool,
    },
    /// A policy refused.
    Rejected(Rejection, Refuser),
    /// The caller has gone, or another attempt has won.
    Gone,
}

/// Whose circuit refused, if it was a circuit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refuser {
    pub(super) endpoint: usize,
    pub(super) scope: Scope,
}

impl Refuser {
    pub(super) fn at(endpoint: usize) -> Self {
        Refuser { endpoint, scope: Scope::Endpoint }
    }
}

impl Carried {
    #[inline(always)]
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Carried::Verdict(verdict) => verdict.outcome,
            Carried::TimedOut | Carried::Deadline { failure: true } => Outcome::Failure(Failure::Timeout),
            Carried::Deadline { failure: false } | Carried::Gone => Outcome::Cancelled,
            Carried::Rejected(..) => Outcome::Ignored,
        }
    }

    #[inline(always)]
    pub(super) fn end(self) -> End {
        match self {
            Carried::Verdict(_) | Carried::Gone => End::Result,
            Carried::TimedOut => End::TimedOut,
            Carried::Deadline { .. } => End::DeadlineExceeded,
            Carried::Rejected(rejection, _) => End::Rejected(rejection),
        }
    }

    pub(super) fn falls_back(self, on: FallbackOn) -> bool {
        match self {
            Carried::Rejected(rejection, _) => rejection.reason.falls_back(),
            Carried::Verdict(verdict) => on.answers(verdict),
            Carried::TimedOut | Carried::Deadline { .. } => on == FallbackOn::Failed,
            Carried::Gone => false,
        }
    }
}
