//! The one notion of time inside the policies.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment, in nanoseconds since the driver's own epoch (584 years fit).
///
/// Monotonic and saturating: nothing here can overflow, and a clock step of the wall clock cannot reach it.
/// Only drivers make a `Time` out of a clock; policies receive it as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Time(u64);

impl Time {
    /// The driver's epoch.
    pub const ZERO: Time = Time(0);
    /// Later than every moment that can come.
    pub const NEVER: Time = Time(u64::MAX);

    /// The moment `nanos` nanoseconds after the epoch.
    #[inline(always)]
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Time(millis.saturating_mul(1_000_000))
    }

    /// The moment `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Time(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the epoch.
    #[inline(always)]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to here; zero if `earlier` is not earlier.
    #[inline(always)]
    pub const fn nanos_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The span from `earlier` to here; zero if `earlier` is not earlier.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// This moment and `nanos` nanoseconds; [`Time::NEVER`] when that does not fit.
    #[inline(always)]
    pub const fn plus_nanos(self, nanos: u64) -> Self {
        Time(self.0.saturating_add(nanos))
    }

    /// This moment less `nanos` nanoseconds; [`Time::ZERO`] when that does not fit.
    #[inline(always)]
    pub const fn minus_nanos(self, nanos: u64) -> Self {
        Time(self.0.saturating_sub(nanos))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, span: Duration) -> Time {
        self.plus_nanos(nanos(span))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, span: Duration) -> Time {
        self.minus_nanos(nanos(span))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Time::NEVER => f.write_str("never"),
            at => write!(f, "+{:?}", Duration::from_nanos(at.0)),
        }
    }
}

/// A span in whole nanoseconds, saturating.
pub(crate) const fn nanos(span: Duration) -> u64 {
    let nanos = span.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert_eq!(Time::ZERO - Duration::from_secs(1), Time::ZERO);
        assert_eq!(Time::ZERO.since(Time::from_secs(9)), Duration::ZERO);
        assert_eq!(Time::from_secs(1) + Duration::MAX, Time::NEVER);
    }
}
