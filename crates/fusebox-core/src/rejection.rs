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
    /// The epoch of the circuit that refused; 0 from every other policy. Ask [`last_trip`](crate::breaker::CircuitBreaker::last_trip) for
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
    /// The circuit has closed and lets a growing share through; this call was not in it.
    Recovering,
    /// The quota is used up.
    RateLimited,
    /// Every place is taken, and so is every place in the queue.
    BulkheadFull,
    /// No place came free within the longest wait.
    BulkheadTimeout,
    /// The places that are left are kept for calls of a higher priority.
    Shed,
    /// One key's calls hold as many places as one key may.
    KeyFull,
    /// The dependency refuses so many calls that this one was not sent.
    Throttled,
    /// The endpoint has as many connections as it may, and none came free in time.
    ConnectionsFull,
    /// No endpoint is fit for the call.
    NoEndpoint,
    /// No endpoint is fit for the call, and no fallback answers for that.
    FleetOut,
}

impl Reason {
    /// Whether a circuit breaker refused, not another policy.
    pub const fn is_breaker(self) -> bool {
        matches!(self, Reason::Open | Reason::HalfOpenFull | Reason::ForcedOpen | Reason::Recovering)
    }

    /// Whether a fallback may answer in place of this refusal.
    pub const fn falls_back(self) -> bool {
        !matches!(self, Reason::FleetOut)
    }

    /// The reason as it stands in headers, labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Open => "open",
            Reason::HalfOpenFull => "half_open_full",
            Reason::ForcedOpen => "forced_open",
            Reason::Recovering => "recovering",
            Reason::RateLimited => "rate_limited",
            Reason::BulkheadFull => "bulkhead_full",
            Reason::BulkheadTimeout => "bulkhead_timeout",
            Reason::Shed => "shed",
            Reason::KeyFull => "key_full",
            Reason::Throttled => "throttled",
            Reason::ConnectionsFull => "connections_full",
            Reason::NoEndpoint => "no_endpoint",
            Reason::FleetOut => "fleet_out",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Open => "the circuit is open",
            Reason::HalfOpenFull => "the circuit is half-open and its probes are all in flight",
            Reason::ForcedOpen => "the circuit is held open by an operator",
            Reason::Recovering => "the circuit has just closed and admits a growing share",
            Reason::RateLimited => "the rate limit is reached",
            Reason::BulkheadFull => "every place and every place in the queue is taken",
            Reason::BulkheadTimeout => "no place came free in time",
            Reason::Shed => "the places left are kept for calls of a higher priority",
            Reason::KeyFull => "this key's calls hold as many places as one key may",
            Reason::Throttled => "the dependency refuses too many calls already",
            Reason::ConnectionsFull => "every connection to the endpoint is taken",
            Reason::NoEndpoint => "no endpoint is fit for the call",
            Reason::FleetOut => "no endpoint is fit for the call, which must then fail",
        })
    }
}

impl Rejection {
    /// A refusal by a policy that is no circuit.
    pub const fn of(reason: Reason, retry_at: Time) -> Self {
        Rejection { reason, retry_at, epoch: 0 }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for Rejection {}
