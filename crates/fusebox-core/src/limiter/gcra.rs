//! The transition: a quota's word and the time in, an answer and the next word out.

use super::Config;
use crate::time::nanos;
use crate::{Ratio, Reason, Rejection, Time};

/// The interval of a quota that lets nothing through.
pub(super) const CLOSED: u64 = u64::MAX;

/// What a quota comes down to, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// From one call to the next.
    pub(super) interval: u64,
    /// How far ahead of now the theoretical arrival may be for a call to go at once: a burst less one.
    pub(super) tolerance: u64,
    /// How long a call waits for its turn.
    pub(super) max_wait: u64,
}

/// A permit that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    at: Time,
    /// When it will have drained.
    drained: u64,
    /// What it added to the theoretical arrival time.
    cost: u64,
    /// Whether it was taken from the quota that newcomers share.
    of_other: bool,
}

impl Grant {
    /// When the call may go; at once if that is not after now.
    #[inline]
    pub fn at(self) -> Time {
        self.at
    }

    pub(super) fn of_other(self) -> Self {
        Grant { of_other: true, ..self }
    }

    pub(super) fn is_of_other(self) -> bool {
        self.of_other
    }
}

impl Rate {
    /// A share of what is configured. Rounds up, so that the quota is never exceeded.
    pub(super) fn of(config: &Config, share: Ratio) -> Self {
        let permits = u128::from(config.permits) * u128::from(share.ppm());
        let interval = match permits {
            0 => CLOSED,
            _ => {
                let whole = u128::from(nanos(config.per)) * u128::from(Ratio::ONE.ppm());
                u64::try_from(whole.div_ceil(permits)).unwrap_or(CLOSED)
            }
        };
        let tolerance = interval.saturating_mul(u64::from(config.burst.saturating_sub(1)));
        Rate { interval, tolerance, max_wait: nanos(config.max_wait) }
    }

    /// One call asks: the next theoretical arrival time and the call's grant.
    #[inline(always)]
    pub(super) fn admit(self, tat: u64, now: Time, latest: Time) -> Result<(u64, Grant), Rejection> {
        let now = now.as_nanos();
        let earliest = tat.saturating_sub(self.tolerance);
        if earliest > now || self.interval == CLOSED {
            self.is_worth_waiting(earliest, now, latest)?;
        }
        let next = tat.max(now).saturating_add(self.interval);
        let at = Time::from_nanos(earliest.max(now));
        Ok((next, Grant { at, drained: next, cost: self.interval, of_other: false }))
    }

    #[cold]
    fn is_worth_waiting(self, earliest: u64, now: u64, latest: Time) -> Result<(), Rejection> {
        let patience = self.max_wait.min(latest.as_nanos().saturating_sub(now));
        let retry_at = match self.interval {
            CLOSED => Time::NEVER,
            _ if earliest <= now.saturating_add(patience) => return Ok(()),
            _ => Time::from_nanos(earliest - patience),
        };
        Err(Rejection::of(Reason::RateLimited, retry_at))
    }

    /// Permits that may go at once.
    pub(super) fn available(self, tat: u64, now: Time) -> u64 {
        let debt = tat.saturating_sub(now.as_nanos());
        match self.interval {
            CLOSED => 0,
            _ if debt > self.tolerance => 0,
            interval => (self.tolerance - debt) / interval + 1,
        }
    }
}

/// The theoretical arrival time when what is left of `grant` comes back; `None` if nothing is left. A permit that was
/// taken at another rate comes back at the price of today's.
pub(super) fn refunded(tat: u64, grant: Grant, interval: u64, now: Time) -> Option<u64> {
    let left = grant.cost.min(grant.drained.saturating_sub(now.as_nanos()));
    let left = match interval {
        CLOSED => left,
        _ if interval == grant.cost => left,
        _ => priced(left, grant.cost, interval, u128::div_euclid),
    };
    (left > 0 && tat > now.as_nanos()).then(|| tat.saturating_sub(left))
}

/// The theoretical arrival time with a debt of as many permits, at another interval; a fraction of a nanosecond is
/// rounded up.
pub(super) fn scaled(tat: u64, from: u64, to: u64, now: Time) -> u64 {
    match tat.saturating_sub(now.as_nanos()) {
        0 => tat,
        debt => now.plus_nanos(priced(debt, from, to, u128::div_ceil)).as_nanos(),
    }
}

/// `span` in intervals of `from`, as a span in intervals of `to`.
fn priced(span: u64, from: u64, to: u64, divide: fn(u128, u128) -> u128) -> u64 {
    u64::try_from(divide(u128::from(span) * u128::from(to), u128::from(from.max(1)))).unwrap_or(u64::MAX)
}
