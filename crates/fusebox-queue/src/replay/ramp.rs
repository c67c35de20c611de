//! How fast a backlog is worked off: little at first, more while all goes well.

use crate::clock::Timestamp;
use std::time::Duration;

/// How a replay's rate moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// The first rate, as a share of the baseline; at least one call a second. Default: 0.01.
    pub start: f64,
    /// The highest rate, as a share of the baseline: the rest is live traffic's. Default: 0.3.
    pub ceiling: f64,
    /// By how much the rate grows after a window in which all went well. Default: 1.5.
    pub growth: f64,
    /// How long a window is. Default: 5 s.
    pub window: Duration,
    /// All goes well while so many succeed. Default: 0.99.
    pub good: f64,
    /// All goes well while the slowest twentieth takes at most so long. Default: 5 s.
    pub slow: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            start: 0.01,
            ceiling: 0.3,
            growth: 1.5,
            window: Duration::from_secs(5),
            good: 0.99,
            slow: Duration::from_secs(5),
        }
    }
}

/// The rate of a replay. Time is an argument.
#[derive(Clone, Debug)]
pub struct Ramp {
    pace: Pace,
    first: f64,
    ceiling: f64,
    rate: f64,
    /// Calls that may be made now.
    saved: f64,
    at: Timestamp,
    window: Window,
}

#[derive(Clone, Debug, Default)]
struct Window {
    began: Timestamp,
    good: u64,
    bad: u64,
    slow: u64,
}

impl Ramp {
    /// Before a dependency that took `baseline` calls a second.
    pub fn new(pace: Pace, baseline: f64, now: Timestamp) -> Self {
        let first = (baseline * pace.start).max(1.0);
        let ceiling = (baseline * pace.ceiling).max(first);
        let window = Window { began: now, ..Window::default() };
        Ramp { pace, first, ceiling, rate: first, saved: first.min(1.0), at: now, window }
    }

    /// The dependency takes `baseline` calls a second by now.
    pub fn rebase(&mut self, baseline: f64) {
        self.first = (baseline * self.pace.start).max(1.0);
        self.ceiling = (baseline * self.pace.ceiling).max(self.first);
        self.rate = self.rate.min(self.ceiling);
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Calls a second that it never grows beyond.
    pub fn ceiling(&self) -> f64 {
        self.ceiling
    }

    /// How many calls may be made now.
    pub fn allowance(&mut self, now: Timestamp) -> usize {
        self.advance(now);
        let passed = now.since(self.at).as_secs_f64();
        // No more than a second's worth is saved up: a pause is not made good by a wave.
        self.saved = (self.saved + passed * self.rate).min(self.rate.max(1.0));
        self.at = now;
        self.saved as usize
    }

    /// So many are being made.
    pub fn spend(&mut self, calls: usize, _: Timestamp) {
        self.saved = (self.saved - calls as f64).max(0.0);
    }

    /// One was made.
    pub fn record(&mut self, good: bool, took: Duration, now: Timestamp) {
        self.advance(now);
        let window = &mut self.window;
        *(if good { &mut window.good } else { &mut window.bad }) += 1;
        window.slow += u64::from(took > self.pace.slow);
        let (bad, calls) = (window.bad, window.good + window.bad);
        // A window that has gone bad need not end first.
        if bad >= 3 && (bad as f64) > calls as f64 * (1.0 - self.pace.good) {
            self.back_off(now);
        }
    }

    /// The dependency's circuit is open: begins anew.
    pub fn stop(&mut self, now: Timestamp) {
        (self.rate, self.saved, self.at) = (self.first, 0.0, now);
        self.window = Window { began: now, ..Window::default() };
    }

    fn back_off(&mut self, now: Timestamp) {
        self.rate = (self.rate / 2.0).max(self.first.min(1.0));
        self.window = Window { began: now, ..Window::default() };
    }

    fn advance(&mut self, now: Timestamp) {
        if now.since(self.window.began) < self.pace.window {
            return;
        }
        let Window { good, bad, slow, .. } = self.window;
        let calls = (good + bad) as f64;
        let well = good as f64 >= calls * self.pace.good && slow as f64 * 20.0 <= calls;
        match (calls > 0.0, well) {
            (true, true) => self.rate = (self.rate * self.pace.growth).min(self.ceiling),
            (true, false) => return self.back_off(now),
            // Nothing was learnt.
            (false, _) => {}
        }
        self.window = Window { began: now, ..Window::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis)
    }

    /// Calls made in so many seconds, a look each 100 ms, and the rate at the end.
    fn run(ramp: &mut Ramp, secs: std::ops::Range<u64>, good: bool) -> usize {
        let mut made = 0;
        for tick in secs.start * 10..secs.end * 10 {
            let calls = ramp.allowance(at(tick * 100));
            ramp.spend(calls, at(tick * 100));
            (0..calls).for_each(|_| ramp.record(good, Duration::ZERO, at(tick * 100)));
            made += calls;
        }
        made
    }

    #[test]
    fn it_begins_with_a_hundredth_and_ends_below_a_third() {
        let mut ramp = Ramp::new(Pace::default(), 100.0, at(0));
        assert!(run(&mut ramp, 0..1, true) <= 2, "the first second");
        run(&mut ramp, 1..120, true);
        assert_eq!(ramp.rate(), 30.0);
        let made = run(&mut ramp, 120..130, true);
        assert!((290..=310).contains(&made), "{made} in ten seconds");
    }

    #[test]
    fn it_halves_when_calls_fail_and_begins_anew_when_the_circuit_opens() {
        let mut ramp = Ramp::new(Pace::default(), 1_000.0, at(0));
        run(&mut ramp, 0..60, true);
        let before = ramp.rate();
        (0..3).for_each(|_| ramp.record(false, Duration::ZERO, at(60_000)));
        assert_eq!(ramp.rate(), before / 2.0);
        ramp.stop(at(60_000));
        assert_eq!((ramp.rate(), ramp.allowance(at(60_000))), (10.0, 0));
    }

    #[test]
    fn slow_answers_keep_it_from_growing() {
        let mut ramp = Ramp::new(Pace::default(), 100.0, at(0));
        for tick in 0..200u64 {
            let calls = ramp.allowance(at(tick * 100));
            ramp.spend(calls, at(tick * 100));
            (0..calls).for_each(|_| ramp.record(true, Duration::from_secs(6), at(tick * 100)));
        }
        assert!(ramp.rate() <= 1.0, "{}", ramp.rate());
    }

    #[test]
    fn a_pause_is_not_made_good_by_a_wave() {
        let mut ramp = Ramp::new(Pace::default(), 1_000.0, at(0));
        assert!(ramp.allowance(at(3_600_000)) <= 10, "a second's worth");
    }
}
