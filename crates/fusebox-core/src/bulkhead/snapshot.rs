//! A copyable view of a bulkhead.

use crate::{Time, adaptive};

/// A bulkhead at one moment. Taking it ends the patience of those whose time is over.
///
/// Every call is in exactly one of `admitted`, `refused`, `cancelled`, `waiting` and `granted`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// When this was read.
    pub taken: Time,
    /// When the first call came, as far as the samples tell; `taken` before there are any.
    pub began: Time,
    /// The capacity now.
    pub capacity: u64,
    /// How much of it is taken. More than `capacity` for a while after it shrank, or under one call that is heavier.
    pub in_use: u64,
    /// The most that was ever taken at once.
    pub peak_in_use: u64,
    /// The most that was taken at once in the last five to ten minutes; longer ago while nobody calls or looks.
    pub recent_peak: u64,
    /// Calls in the queue.
    pub waiting: u64,
    /// Calls that were given a place and have not come back for it yet.
    pub granted: u64,
    /// The most that ever waited at once.
    pub peak_waiting: u64,
    /// Keys known: those that hold a place or wait, where keys count.
    pub keys: u64,
    /// Calls that came in, those that had waited included. This and all below are counted since the beginning.
    pub admitted: u64,
    /// Calls that came in after having waited.
    pub waited: u64,
    /// How long those waited in all, in nanoseconds.
    pub wait_nanos: u64,
    /// The longest of those waits, in nanoseconds.
    pub max_wait_nanos: u64,
    /// How long somebody was waiting, in nanoseconds.
    pub occupied_nanos: u64,
    /// Calls that were refused.
    pub refused: Refused,
    /// Calls that gave up waiting by themselves.
    pub cancelled: u64,
    /// Wakers that panicked.
    pub waker_panics: u64,
    /// What moves the capacity, where something does.
    pub adaptive: Option<adaptive::Snapshot>,
    /// What every sixteenth call is asked as it leaves.
    pub samples: Samples,
}

/// Refused calls, by [`Reason`](crate::Reason).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Refused {
    /// Places and queue were full.
    pub full: u64,
    /// No place came free in time.
    pub timed_out: u64,
    /// The rest was kept for a higher priority, or a call of a higher priority took the place in the queue.
    pub shed: u64,
    /// One key held as much as one key may.
    pub key_full: u64,
}

impl Refused {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.full + self.timed_out + self.shed + self.key_full
    }
}

/// What was learned of one call in sixteen as it left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Samples {
    /// How many there are.
    pub calls: u64,
    /// Those that ended in their timeout.
    pub timed_out: u64,
    /// How long they held their places, in nanoseconds.
    pub held_nanos: u64,
    /// Weight times seconds held.
    pub used_seconds: f64,
    /// The sum of what was in use when each left, itself included: its mean is the utilisation, calls that hang included.
    pub found_in_use: f64,
}

impl Snapshot {
    /// Calls that came, those that wait or have a place to fetch left out.
    pub fn asked(&self) -> u64 {
        self.admitted + self.refused.total() + self.cancelled
    }
}
