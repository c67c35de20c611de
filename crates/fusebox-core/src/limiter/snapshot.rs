//! A copyable view of a limiter.

use crate::Ratio;

/// A limiter at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// The share of the configured rate that is in force.
    pub share: Ratio,
    /// From one call to the next, in nanoseconds; `None` while nothing goes through.
    pub interval_nanos: Option<u64>,
    /// Calls that may go at once after a pause.
    pub burst: u32,
    /// Calls that may go at once now; of a keyed limiter, those without a key.
    pub available: u64,
    /// Keys with a quota of their own; of these, some may have drained.
    pub keys: u64,
    /// Calls whose key found no room and that shared the newcomers' quota.
    pub turned_away: u64,
    /// Counters since the limiter was made; they never step back.
    pub totals: Tally,
}

/// Counters since the limiter was made. Each call is in exactly one of `admitted` and `rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// Calls that took a permit.
    pub admitted: u64,
    /// Of these, calls that had to wait for their turn.
    pub waited: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Permits that came back because their calls never went on.
    pub refunded: u64,
}

impl Tally {
    pub(super) fn and(self, other: Tally) -> Tally {
        Tally {
            admitted: self.admitted + other.admitted,
            waited: self.waited + other.waited,
            rejected: self.rejected + other.rejected,
            refunded: self.refunded + other.refunded,
        }
    }
}
