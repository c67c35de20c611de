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

/// Whose circuit refused, if it was a circuit. One word, since what is carried is copied at every stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refuser {
    endpoint: u32,
    pub(super) scope: Scope,
}

impl Refuser {
    #[inline(always)]
    pub(super) fn of(endpoint: usize, scope: Scope) -> Self {
        Refuser { endpoint: endpoint as u32, scope }
    }

    #[inline(always)]
    pub(super) fn at(endpoint: usize) -> Self {
        Refuser::of(endpoint, Scope::Endpoint)
    }

    #[inline(always)]
    pub(super) fn endpoint(self) -> usize {
        self.endpoint as usize
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
