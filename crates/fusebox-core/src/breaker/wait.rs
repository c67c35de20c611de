//! How long to stay open.

use super::config::{StreakReset, WaitStrategy};
use super::settings::Settings;
use crate::retry::scaled;
use crate::time::nanos;
use crate::{Rng, Time};

/// Recoveries that the adaptive strategy remembers, and how many it needs to trust them.
const RECOVERIES: usize = 20;
const ENOUGH: usize = 3;
const MILLI: u64 = 1_000_000;

/// The opens of one streak, and what recoveries took.
#[derive(Debug)]
pub(super) struct Waits {
    /// Opens in a row without a lasting recovery.
    pub(super) streak: u32,
    /// The last wait, in nanoseconds.
    pub(super) last: u64,
    /// When the present outage began; `None` once a probe went well.
    outage: Option<Time>,
    /// What the latest recoveries took in milliseconds, a ring of `known` of them.
    recoveries: [u32; RECOVERIES],
    known: usize,
}

impl Waits {
    pub(super) fn new() -> Self {
        Waits { streak: 0, last: 0, outage: None, recoveries: [0; RECOVERIES], known: 0 }
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
        self.outage = Some(at);
    }

    /// A probe went well.
    pub(super) fn recovered(&mut self, now: Time) {
        let Some(began) = self.outage.take() else { return };
        let millis = now.nanos_since(began) / MILLI;
        self.recoveries[self.known % RECOVERIES] = u32::try_from(millis).unwrap_or(u32::MAX);
        self.known += 1;
    }

    /// The next wait of the streak. A dependency that asked not to be called before `hint` lengthens it, up to the
    /// strategy's longest; jitter comes after that.
    pub(super) fn next(&mut self, settings: &Settings, hint: Time, at: Time, rng: &mut Rng) -> u64 {
        let (wait, most) = match settings.config.wait_in_open.strategy {
            WaitStrategy::Fixed(wait) => (nanos(wait), nanos(wait)),
            WaitStrategy::Exponential { base, multiplier, max } => {
                (scaled(nanos(base), multiplier, self.streak, nanos(max)), nanos(max))
            }
            WaitStrategy::Adaptive { percentile, base, max } => {
                let (base, max) = (nanos(base), nanos(max));
                let first = self.percentile(percentile).unwrap_or(base).clamp(base, max);
                (scaled(first, 2.0, self.streak, max), max)
            }
        };
        let wait = wait.max(hint.nanos_since(at).min(most));
        let spread = settings.jitter.of(wait);
        let wait = (wait - spread).saturating_add(rng.up_to(spread.saturating_mul(2)));
        self.streak = self.streak.saturating_add(1);
        self.last = wait;
        wait
    }

    fn percentile(&self, share: f64) -> Option<u64> {
        let mut sorted = self.recoveries;
        let sorted = &mut sorted[..self.known.min(RECOVERIES)];
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64 + 0.999_999) as usize;
        (sorted.len() >= ENOUGH).then(|| u64::from(sorted[rank.clamp(1, sorted.len()) - 1]) * MILLI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Config, WaitInOpen};
    use alloc::vec::Vec;
    use core::time::Duration;

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
        let mut waits = Waits::new();
        let streak: [u64; 6] = core::array::from_fn(|_| next(&mut waits, &settings, Time::ZERO));
        assert_eq!(streak, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn retry_after_lengthens_a_wait_up_to_the_longest_and_never_shortens_it() {
        let settings = settings(exponential(), 0.0);
        for (asked, expected) in [(5, 30), (90, 90), (9_999, 300)] {
            let hint = Time::from_secs(1_000 + asked);
            assert_eq!(next(&mut Waits::new(), &settings, hint), expected);
        }
    }

    #[test]
    fn jitter_stays_within_its_share_and_differs_between_circuits() {
        let settings = settings(exponential(), 0.1);
        let mut root = Rng::seeded(11);
        let mut drawn: Vec<u64> = (0..100)
            .map(|_| Waits::new().next(&settings, Time::ZERO, Time::ZERO, &mut root.fork()))
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
        let mut waits = Waits::new();
        for outage in 0..3u64 {
            waits.streak = 0;
            assert_eq!(next(&mut waits, &settings, Time::ZERO), 5);
            waits.tripped(Time::from_secs(outage * 1_000));
            waits.recovered(Time::from_secs(outage * 1_000 + 40));
        }
        waits.streak = 0;
        assert_eq!(next(&mut waits, &settings, Time::ZERO), 40);
        assert_eq!(next(&mut waits, &settings, Time::ZERO), 80);
    }

    #[test]
    fn a_fixed_wait_is_always_the_same() {
        let settings = settings(WaitStrategy::Fixed(Duration::from_secs(7)), 0.0);
        let mut waits = Waits::new();
        let streak: [u64; 3] = core::array::from_fn(|_| next(&mut waits, &settings, Time::NEVER));
        assert_eq!(streak, [7, 7, 7]);
    }
}
