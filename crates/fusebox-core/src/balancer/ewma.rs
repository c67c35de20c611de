//! Averages of latency that forget with time.
//!
//! Both are two words that any thread reads and stores, without a lock and without a read-modify-write, which would cost a
//! pick and a settle more than all the rest. Of two threads that settle in the same few nanoseconds one may be forgotten,
//! and a reader may see half of an update: an average is then off by one sample of many. Nothing is counted here.

use crate::Time;
use crate::sync::{AtomicU64, Relaxed};

/// No sample weighs more than this in a [`Mean`], however long the one before is past.
const HEAVIEST: f64 = 0.3;

/// A latency that rises at once and falls slowly: the peak-EWMA of Finagle's `PeakEwma` and Tower's
/// `load::PeakEwma`. Without samples it falls towards nothing, so that every endpoint is tried again one day.
#[derive(Debug)]
pub(super) struct Peak(Average);

/// A latency that rises and falls alike.
#[derive(Debug, Default)]
pub(super) struct Mean(Average);

/// Time constants after which nothing fades further.
const LONGEST: f64 = 50.0;

/// An average in nanoseconds, as the bits of an `f64`, and when it was moved.
#[derive(Debug, Default)]
struct Average {
    nanos: AtomicU64,
    moved: AtomicU64,
}

impl Average {
    fn nanos(&self) -> f64 {
        f64::from_bits(self.nanos.load(Relaxed))
    }

    /// Nanoseconds since it was moved.
    fn age(&self, now: Time) -> u64 {
        now.nanos_since(Time::from_nanos(self.moved.load(Relaxed)))
    }

    fn set(&self, nanos: f64, now: Time) {
        self.moved.store(now.as_nanos(), Relaxed);
        self.nanos.store(nanos.to_bits(), Relaxed);
    }

    /// Moves the average by what `next` makes of it and of the nanoseconds since the last move. Of samples that come at
    /// once, only one has that time for itself, and may be the only one that counts.
    #[inline]
    fn shift(&self, now: Time, next: impl FnOnce(f64, u64) -> f64) {
        let age = self.age(now);
        if age > 0 {
            self.moved.store(now.as_nanos(), Relaxed);
        }
        self.nanos.store(next(self.nanos(), age).to_bits(), Relaxed);
    }
}

impl Peak {
    pub(super) fn new(nanos: f64, now: Time) -> Self {
        let average = Average::default();
        average.set(nanos, now);
        Peak(average)
    }

    /// The estimate at `now`, in nanoseconds.
    #[inline]
    pub(super) fn read(&self, now: Time, rate: f64) -> f64 {
        self.0.nanos() * faded(self.0.age(now), rate)
    }

    /// Whether this estimate `times` over is less than the other one `other_times` over. Both fade alike, so only what one
    /// has faded longer than the other makes a difference, and that only where it is the larger.
    #[inline]
    pub(super) fn is_less(&self, times: f64, other: &Peak, other_times: f64, rate: f64) -> bool {
        let (ours, theirs) = (self.0.nanos() * times, other.0.nanos() * other_times);
        let (moved, others_moved) = (self.0.moved.load(Relaxed), other.0.moved.load(Relaxed));
        if moved < others_moved {
            ours < theirs || ours * faded(others_moved - moved, rate) < theirs
        } else {
            ours < theirs && ours < theirs * faded(moved - others_moved, rate)
        }
    }

    pub(super) fn observe(&self, sample: u64, now: Time, rate: f64) {
        // Never nothing, or calls in flight would not weigh.
        let sample = sample.max(1) as f64;
        self.0.shift(now, |estimate, age| {
            if sample > estimate {
                return sample;
            }
            let kept = faded(age, rate);
            estimate * kept + sample * (1.0 - kept)
        });
    }

    pub(super) fn start_over(&self, nanos: f64, now: Time) {
        self.0.set(nanos.max(1.0), now);
    }
}

impl Mean {
    /// The mean, in nanoseconds; nothing when it has had no sample for ten time constants.
    pub(super) fn read(&self, now: Time, rate: f64) -> f64 {
        if self.0.age(now) as f64 * rate > 10.0 { 0.0 } else { self.0.nanos() }
    }

    pub(super) fn observe(&self, sample: u64, now: Time, rate: f64) {
        self.0.shift(now, |mean, age| {
            let weight = (1.0 - faded(age, rate)).min(HEAVIEST);
            mean + (sample as f64 - mean) * weight
        });
    }
}

/// What is left of a value after `age` nanoseconds.
#[inline]
fn faded(age: u64, rate: f64) -> f64 {
    // From a signed number, which is one instruction.
    decay((age as i64 as f64 * rate).clamp(0.0, LONGEST))
}

/// e^−x to four digits, for an x of 0 to [`LONGEST`]: what is left of a value after x time constants.
#[inline]
fn decay(x: f64) -> f64 {
    let halvings = x * core::f64::consts::LOG2_E;
    let whole = halvings as i64;
    let t = (halvings - whole as f64) * core::f64::consts::LN_2;
    series(t) * f64::from_bits(((1023 - whole) as u64) << 52)
}

/// The series of e^−t, for a t below ln 2.
#[inline]
fn series(t: f64) -> f64 {
    const TERMS: [f64; 6] = [-1.0, 1.0 / 2.0, -1.0 / 6.0, 1.0 / 24.0, -1.0 / 120.0, 1.0 / 720.0];
    TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t) + 1.0
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const RATE: f64 = 0.1 / SECOND as f64;

    #[test]
    fn decay_is_the_exponential_function() {
        for step in 0..5_000 {
            let x = f64::from(step) / 100.0;
            let (ours, exact) = (decay(x), (-x).exp());
            assert!((ours - exact).abs() <= exact * 3e-5, "e^-{x} is {exact}, not {ours}");
        }
        assert_eq!(faded(i64::MAX as u64, 1.0), decay(LONGEST));
    }

    #[test]
    fn a_peak_counts_at_once_and_fades_by_the_time_constant() {
        let peak = Peak::new(1e6, Time::ZERO);
        peak.observe(SECOND, Time::from_secs(1), RATE);
        assert_eq!(peak.read(Time::from_secs(1), RATE), 1e9);
        let faded = peak.read(Time::from_secs(11), RATE);
        assert!((faded / 1e9 - 0.36788).abs() < 1e-4, "{faded}");
        peak.observe(0, Time::from_secs(11), RATE);
        let fallen = peak.read(Time::from_secs(11), RATE);
        assert!((fallen / 1e9 - 0.36788).abs() < 1e-4, "a fast answer brings it no lower than silence does");
    }

    #[test]
    fn peaks_compare_as_what_they_read() {
        let times = [0, 1, 5, 30, 400].map(Time::from_secs);
        for (a, b) in times.iter().flat_map(|a| times.iter().map(move |b| (*a, *b))) {
            for (nanos, load) in [(1e6, 1.0), (2e6, 3.0), (5e9, 1.0), (1e3, 50.0)] {
                let (first, second) = (Peak::new(nanos, a), Peak::new(1e6, b));
                let now = Time::from_secs(400);
                let expected = first.read(now, RATE) * load < second.read(now, RATE) * 2.0;
                assert_eq!(first.is_less(load, &second, 2.0, RATE), expected, "{nanos} × {load} of {a}, {b}");
            }
        }
    }

    #[test]
    fn fast_answers_at_one_instant_do_not_hide_a_peak() {
        let (peak, now) = (Peak::new(1e6, Time::ZERO), Time::from_secs(1));
        peak.observe(SECOND, now, RATE);
        (0..1000).for_each(|_| peak.observe(1000, now, RATE));
        assert_eq!(peak.read(now, RATE), 1e9);
    }

    #[test]
    fn a_mean_follows_slowly_both_ways() {
        let mean = Mean::default();
        mean.observe(SECOND, Time::from_secs(100), RATE);
        assert_eq!(mean.read(Time::from_secs(100), RATE), 0.3e9, "one sample is not everything");
        (101..200).for_each(|second| mean.observe(SECOND, Time::from_secs(second), RATE));
        assert!(mean.read(Time::from_secs(200), RATE) > 0.99e9);
        (200..300).for_each(|second| mean.observe(0, Time::from_secs(second), RATE));
        assert!(mean.read(Time::from_secs(300), RATE) < 0.01e9);
        assert_eq!(mean.read(Time::from_secs(500), RATE), 0.0, "too old to say anything");
    }

    #[test]
    fn a_stale_clock_takes_nothing_away() {
        let peak = Peak::new(1e6, Time::from_secs(9));
        peak.observe(10, Time::from_secs(5), RATE);
        assert_eq!(peak.read(Time::from_secs(4), RATE), 1e6);
    }
}
