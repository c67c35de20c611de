//! A second attempt beside a slow first one.
//!
//! A call that takes longer than most is either unlucky (a lost packet, a pause, one busy endpoint) or the dependency is
//! slow for all. The first kind is cured by asking again without giving up the first answer; the second is made worse
//! by it. So a hedge waits until a call is slower than nearly all others, and a budget keeps all hedges a small share of
//! first tries: when everything is slow, the budget is soon spent and nothing is doubled. See J. Dean and L. A. Barroso,
//! "The Tail at Scale", Communications of the ACM 56(2), 2013.
//!
//! There is one hedge for an attempt and no more: a third copy helps only where two were both unlucky, and costs a third
//! place in every policy. The first good answer wins; the other attempt is cancelled and settles as cancelled. Only calls
//! that are safe to repeat may be hedged, for both attempts may do their work.

mod config;

pub use config::{After, Config, Settings};

use crate::latency::{Following, Rule};
use crate::retry::{Budget, BudgetSnapshot};
use crate::sync::{AtomicU64, Relaxed};
use crate::time::nanos;
use crate::{Failure, Outcome, Ratio, Time};

/// Calls that a percentile needs to go by.
const MINIMUM_CALLS: u64 = 100;

/// When and whether a dependency's calls are hedged, shared by all of them.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use fusebox_core::Time;
/// use fusebox_core::hedge::{After, Config, Hedge};
///
/// let after = After::Fixed(Duration::from_millis(50));
/// let hedge = Hedge::new(Config { after, ..Config::default() }.check().expect("the settings work"));
/// let began = Time::from_secs(1);
/// hedge.first_try(began);
/// // The first attempt is left alone for so long; if it has not answered by then:
/// let due = began.plus_nanos(hedge.delay(began));
/// assert!(hedge.withdraw(due), "the budget pays for a second attempt");
/// hedge.won();
/// assert_eq!(hedge.snapshot(due).wins, 1);
/// ```
#[derive(Debug)]
pub struct Hedge {
    settings: Settings,
    delay: Delay,
    budget: Budget,
    wins: AtomicU64,
}

#[derive(Debug)]
enum Delay {
    Fixed(u64),
    Percentile(Following),
}

/// A hedge policy at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// How long an attempt that begins now is left alone, in nanoseconds.
    pub delay_nanos: u64,
    /// Attempts that the delay goes by; 0 where it is fixed.
    pub samples: u64,
    /// First tries since the policy was made.
    pub first_tries: u64,
    /// Hedges sent.
    pub hedges: u64,
    /// Of these, those that answered first.
    pub wins: u64,
    /// Hedges that the budget refused.
    pub denied: u64,
}

impl Hedge {
    /// A policy that has seen no call yet.
    pub fn new(settings: Settings) -> Self {
        let Config { after, budget } = *settings.config();
        let delay = match after {
            After::Fixed(delay) => Delay::Fixed(nanos(delay)),
            After::Percentile { percentile, min, max, start } => Delay::Percentile(Following::new(Rule {
                percentile: Ratio::new(percentile).unwrap_or(Ratio::ONE),
                factor: 1.0,
                min: nanos(min),
                max: nanos(max),
                start: nanos(start),
                minimum_calls: MINIMUM_CALLS,
            })),
        };
        Hedge { settings, delay, budget: Budget::new(budget), wins: AtomicU64::new(0) }
    }

    /// The settings it works by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts a call's first try, which pays its share of a hedge.
    #[inline]
    pub fn first_try(&self, now: Time) {
        self.budget.first_try(now);
    }

    /// How long an attempt that begins now is left alone, in nanoseconds.
    #[inline]
    pub fn delay(&self, now: Time) -> u64 {
        match &self.delay {
            Delay::Fixed(delay) => *delay,
            Delay::Percentile(following) => following.span(now),
        }
    }

    /// Whether a hedge is paid for; if so, it is spent and counts as sent.
    pub fn withdraw(&self, now: Time) -> bool {
        self.budget.withdraw(now)
    }

    /// Counts a hedge that answered first.
    pub fn won(&self) {
        self.wins.fetch_add(1, Relaxed);
    }

    /// Learns from an attempt, first or hedge, that ended now and took so many nanoseconds. Successes and timeouts are
    /// samples. So is an attempt that was cancelled after the delay: it lost, and took at least so long. Left out, every
    /// slow call that a hedge has cured would be missing, and the delay would follow the fast ones down.
    #[inline]
    pub fn record(&self, nanos: u64, outcome: Outcome, now: Time) {
        if let Delay::Percentile(following) = &self.delay {
            let is_sample = match outcome {
                Outcome::Success | Outcome::Failure(Failure::Timeout) => true,
                Outcome::Cancelled => nanos >= following.span(now),
                Outcome::Failure(_) | Outcome::Ignored => false,
            };
            if is_sample {
                following.record(nanos, now);
            }
        }
    }

    /// The policy at one moment.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let samples = match &self.delay {
            Delay::Fixed(_) => 0,
            Delay::Percentile(following) => following.seen(now).0,
        };
        let BudgetSnapshot { first_tries, granted: hedges, denied, .. } = self.budget.snapshot(now);
        Snapshot {
            delay_nanos: self.delay(now),
            samples,
            first_tries,
            hedges,
            wins: self.wins.load(Relaxed),
            denied,
        }
    }
}

#[cfg(test)]
mod tests;
