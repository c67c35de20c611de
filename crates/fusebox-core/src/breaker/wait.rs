//! How long to stay open.

use super::config::{StreakReset, WaitStrategy};
use super::recovery::Recoveries;
use super::settings::Settings;
use crate::retry::scaled;
use crate::time::nanos;
use crate::{Ratio, Rng, Time};
use alloc::boxed::Box;
use core::time::Duration;

/// The opens of one streak, and what recoveries took.
#[derive(Debug)]
pub(super) struct Waits {
    /// Opens in a row without a lasting recovery.
    pub(super) streak: u32,
    /// The last wait, in nanoseconds.
    pub(super) last: u64,
    /// What an adaptive wait learns; other waits learn nothing, and carry nothing for it.
    recoveries: Option<Box<Recoveries>>,
}

impl Waits {
    pub(super) fn new(settings: &Settings) -> Self {
        let learns = matches!(settings.config.wait_in_open.strategy, WaitStrategy::Adaptive { .. });
        Waits { streak: 0, last: 0, recoveries: learns.then(|| Box::new(Recoveries::new())) }
    }

    /// Begins to learn as `new` would, if it has not done so before.
    pub(super) fn take_over(&mut self, new: &mut Waits) {
        if self.recoveries.is_none() {
            self.recoveries = new.recoveries.take();
        }
    }

    /// The circuit has been closed for `closed` nanoseconds: whether that is a lasting recovery.
    pub(super) fn rest(&mut self, settings: &Settings, closed: u64) {
        let lasting = match settings.config.streak_reset {
            StreakReset::AtClose => true,
            StreakReset::AfterWaits(n) => closed as f64 >= n * self.last as f64,
        };
        if lasting {
            self.streak = 0;
        }
    }

    /// A closed circuit tripped.
    pub(super) fn tripped(&mut self, at: Time) {
        if let Some(recoveries) = &mut self.recoveries {
            recoveries.tripped(at, self.streak > 0);
        }
    }

    /// A probe that began at `began` came to this.
    pub(super) fn probed(&mut self, began: Time, good: bool) {
        match &mut self.recoveries {
            Some(recoveries) if good => recoveries.good(began),
            Some(recoveries) => recoveries.bad(began),
            None => {}
        }
    }

    /// What the adaptive strategy has learned, within its bounds.
    pub(super) fn learned(&self, settings: &Settings) -> Option<Duration> {
        match settings.config.wait_in_open.strategy {
            WaitStrategy::Adaptive { percentile, base, max } => {
                let learned = self.recoveries.as_ref()?.learned(Ratio::new(percentile)?)?;
                Some(Duration::from_nanos(learned).clamp(base, max))
            }
            _ => None,
        }
    }

    /// The next wait of the streak. A dependency that asked not to be called before `hint` lengthens it, up to the
    /// strategy's longest; jitter comes after that.
    pub(super) fn next(&mut self, settings: &Settings, hint: Time, at: Time, rng: &mut Rng) -> u64 {
        let (wait, most) = match settings.config.wait_in_open.strategy {
            WaitStrategy::Fixed(wait) => (nanos(wait), nanos(wait)),
            WaitStrategy::Exponential { base, multiplier, max } => {
                (scaled(nanos(base), multiplier, self.streak, nanos(max)), nanos(max))
            }
            WaitStrategy::Adaptive { base, max, .. } => {
                let learned = self.learned(settings).map(nanos);
                let next = learned.and_then(|learned| self.recoveries.as_ref()?.next(learned, at));
                let (base, max) = (nanos(base), nanos(max));
                let grown = || scaled(learned.unwrap_or(base), 2.0, self.streak, max);
                (next.unwrap_or_else(grown).clamp(base, max), max)
            }
        };
        let wait = wait.max(hint.nanos_since(at).min(most));
        let spread = settings.jitter.of(wait);
        let wait = (wait - spread).saturating_add(rng.up_to(spread.saturating_mul(2)));
        self.streak = self.streak.saturating_add(1);
        self.last = wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Config, WaitInOpen};
    use alloc::vec::Vec;

    fn settings(strategy: WaitStrategy, jitter: f64) -> Settings {
        let wait_in_open = WaitInOpen { strategy, jitter };
        Config { wait_in_open, ..Config::default() }.check(None).expect("works")
    }

    fn exponential() -> WaitStrategy {
        WaitInOpen::default().strategy
    }

    fn next(waits: &mut Waits, settings: &Settings, hint: Time) -> u64 {
        waits.next(settings, hint, Time::from_secs(1_000), &mut Rng::seeded(3)) / 1_000_000_000
    }

    #[test]
    fn the_first_wait_is_the_base_and_each_next_one_doubles_to_the_longest() {
        let settings = settings(exponential(), 0.0);
        let mut waits = Waits::new(&settings);
        let streak: [u64; 6] = core::array::from_fn(|_| next(&mut waits, &settings, Time::ZERO));
        assert_eq!(streak, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn retry_after_lengthens_a_wait_up_to_the_longest_and_never_shortens_it() {
        let settings = settings(exponential(), 0.0);
        for (asked, expected) in [(5, 30), (90, 90), (9_999, 300)] {
            let hint = Time::from_secs(1_000 + asked);
            assert_eq!(next(&mut Waits::new(&settings), &settings, hint), expected);
        }
    }

    #[test]
    fn jitter_stays_within_its_share_and_differs_between_circuits() {
        let settings = settings(exponential(), 0.1);
        let mut root = Rng::seeded(11);
        let mut drawn: Vec<u64> = (0..100)
            .map(|_| Waits::new(&settings).next(&settings, Time::ZERO, Time::ZERO, &mut root.fork()))
            .collect();
        assert!(drawn.iter().all(|wait| (27_000_000_000..=33_000_000_000).contains(wait)));
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 90, "{} of 100 waits differ", drawn.len());
    }

    #[test]
    fn the_adaptive_wait_is_the_median_recovery_once_three_are_known() {
        let strategy = WaitStrategy::Adaptive {
            percentile: 0.5,
            base: Duration::from_secs(5),
            max: Duration::from_secs(300),
        };
        let settings = settings(strategy, 0.0);
        let mut waits = Waits::new(&settings);
        for outage in 0..3u64 {
            waits.streak = 0;
            assert_eq!(next(&mut waits, &settings, Time::ZERO), 5);
            waits.tripped(Time::from_secs(outage * 1_000));
            waits.probed(Time::from_secs(outage * 1_000 + 40), false);
            waits.probed(Time::from_secs(outage * 1_000 + 40), true);
        }
        waits.streak = 0;
        waits.tripped(Time::from_secs(1_000));
        assert_eq!(next(&mut waits, &settings, Time::ZERO), 40);
        waits.tripped(Time::from_secs(1_000));
        assert_eq!(next(&mut waits, &settings, Time::ZERO), 80, "a relapse");
    }

    #[test]
    fn a_fixed_wait_is_always_the_same() {
        let settings = settings(WaitStrategy::Fixed(Duration::from_secs(7)), 0.0);
        let mut waits = Waits::new(&settings);
        let streak: [u64; 3] = core::array::from_fn(|_| next(&mut waits, &settings, Time::NEVER));
        assert_eq!(streak, [7, 7, 7]);
    }
}
