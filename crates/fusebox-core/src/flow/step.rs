//! What a flow asks of its driver, and how a walk ends.

use crate::scope::Scope;
use crate::{Rejection, Time};

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// Which endpoint to call.
    pub endpoint: usize,
    /// Which attempt of the call it is; the first is 1.
    pub attempt: u32,
}

/// What a driver must do next.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub enum Step {
    /// Make this attempt, then call [`Flow::told`](super::Flow::told).
    Call(Try),
    /// Give this attempt up. It is settled already.
    Cancel(Try),
    /// Nothing to do until then, or until the attempt in flight ends.
    Wait(Time),
    /// The walk is over.
    Finish(Finish),
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    /// Whose result it is.
    pub end: End,
    /// Whether a fallback takes its place.
    pub fallback: bool,
    /// The endpoint that it is about: the last attempt's, or the one whose circuit refused.
    pub endpoint: usize,
    /// Whose circuit refused: the endpoint's, unless there are scopes and a wider one did.
    pub scope: Scope,
}

/// Whose result a call has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The last attempt's own.
    Result,
    /// The last attempt ran into its timeout.
    TimedOut,
    /// The whole call ran into its deadline.
    DeadlineExceeded,
    /// A policy refused it.
    Rejected(Rejection),
}
