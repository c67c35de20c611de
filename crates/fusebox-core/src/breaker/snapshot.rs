//! A copyable view of a circuit.

use super::{Hold, State, Trip};
use crate::{Ratio, Time};
use alloc::sync::Arc;
use core::time::Duration;

/// A circuit at one moment. Taking it makes due transitions happen, so it never shows a state that has passed.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The state that callers experience.
    pub state: State,
    /// What the state would be, of a circuit that shadows.
    pub shadow: Option<State>,
    /// The share of the calls that is let through, while a ramp after a recovery is under way.
    pub ramp: Option<Ratio>,
    /// Counts state changes.
    pub epoch: u64,
    /// When the state began.
    pub since: Time,
    /// When callers may be admitted again: the end of the wait in open, of the earliest probe lease when the
    /// probes are all in flight, or of a hold. [`Time::NEVER`] while calls are admitted.
    pub retry_at: Time,
    /// An operator's hold, if there is one.
    pub hold: Option<Arc<Hold>>,
    /// The last trip, kept after the circuit has closed again.
    pub last_trip: Option<Trip>,
    /// Opens in a row without a lasting recovery.
    pub streak: u32,
    /// What a recovery takes, as an adaptive wait has learned it; `None` until it has seen three, and for other waits.
    pub recovery: Option<Duration>,
    /// What the window holds now.
    pub window: WindowCounts,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Attempts in flight past the slow threshold.
    pub hung: u32,
    /// The half-open phase's probes.
    pub probes: ProbeCounts,
    /// Counters since the breaker was made; they never step back.
    pub totals: Totals,
}

/// The content of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct WindowCounts {
    /// Calls that counted.
    pub calls: u64,
    /// Failed ones.
    pub failures: u64,
    /// Slow ones, failed or not.
    pub slow: u64,
}

impl WindowCounts {
    /// The share of failed calls; 0 for an empty window.
    pub fn failure_rate(&self) -> f64 {
        share(self.failures, self.calls)
    }

    /// The share of slow calls; 0 for an empty window.
    pub fn slow_rate(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The probes of a half-open phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ProbeCounts {
    /// In flight.
    pub in_flight: u32,
    /// Settled well.
    pub good: u32,
    /// Failed, slow, or out of lease.
    pub bad: u32,
}

/// Counters since the breaker was made.
///
/// Every settled ticket is in exactly one of `success`, `failure`, `ignored`, `cancelled` and `late`, except those that
/// were admitted while an operator had the circuit disabled; `slow` overlaps them and is counted in addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Totals {
    /// Settled as successes.
    pub success: u64,
    /// Settled as failures.
    pub failure: u64,
    /// Slow, whatever else they were.
    pub slow: u64,
    /// Refused.
    pub rejected: u64,
    /// Refused by the ramp after a recovery; part of `rejected`.
    pub recovering: u64,
    /// Would have been refused, had the circuit not shadowed. Their results are among `late`, or, where a ramp would have
    /// refused them, among the others.
    pub would_reject: u64,
    /// Let through because they were outside the share of the calls that the circuit is enforced for. Counted as
    /// `would_reject` is.
    pub unenforced: u64,
    /// Settled as ignored.
    pub ignored: u64,
    /// Dropped or cancelled.
    pub cancelled: u64,
    /// Settled after their epoch had ended, or let past a circuit that was not closed.
    pub late: u64,
    /// Changes from a state to a state, indexed as [`State::ALL`].
    pub changes: [[u64; 3]; 3],
    /// Faults of fusebox's own code.
    pub internal_faults: u64,
}

impl Totals {
    /// Changes from `from` to `to`.
    pub fn changes(&self, from: State, to: State) -> u64 {
        self.changes[from as usize][to as usize]
    }

    /// Trips: changes from closed to open.
    pub fn trips(&self) -> u64 {
        self.changes(State::Closed, State::Open)
    }
}

/// What is kept of a circuit across a restart. See [`save`](super::CircuitBreaker::save).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Saved {
    /// The state under any hold.
    pub state: State,
    /// Nanoseconds of the wait that were left, for an open circuit.
    pub left_nanos: u64,
    /// Opens in a row.
    pub streak: u32,
    /// The last wait, in nanoseconds.
    pub last_wait_nanos: u64,
}
