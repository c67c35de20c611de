//! A refusal, as a value that carries the way out.

use crate::Time;
use core::fmt;

/// A call was refused before it reached the dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which policy refused, and why.
    pub reason: Reason,
    /// The earliest moment at which the same call may be admitted; [`Time::NEVER`] if none is known.
    pub retry_at: Time,
    /// The epoch of the circuit that refused. Ask [`last_trip`](crate::breaker::CircuitBreaker::last_trip) for
    /// the rule and its numbers.
    pub epoch: u64,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// The circuit is open.
    Open,
    /// The circuit is half-open and all its probes are in flight.
    HalfOpenFull,
    /// An operator holds the circuit open.
    ForcedOpen,
}

impl Reason {
    /// The reason as it stands in headers, labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Open => "open",
            Reason::HalfOpenFull => "half_open_full",
            Reason::ForcedOpen => "forced_open",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Open => "the circuit is open",
            Reason::HalfOpenFull => "the circuit is half-open and its probes are all in flight",
            Reason::ForcedOpen => "the circuit is held open by an operator",
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for Rejection {}
