//! Averages of latency that forget with time.
//!
//! Both are two words that any thread moves without a lock. Between the two words a reader may see one of an update and
//! not the other: it is then off by that one sample, and no decision hangs on so little.

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
    /// once, only one has that time for itself.
    fn shift(&self, now: Time, next: impl Fn(f64, u64) -> f64) {
        let age = now.as_nanos().saturating_sub(self.moved.fetch_max(now.as_nanos(), Relaxed));
        let shifted = |seen| Some(next(f64::from_bits(seen), age).to_bits()).filter(|bits| *bits != seen);
        let _ = self.nanos.fetch_update(Relaxed, Relaxed, shifted);
    }
}

impl Peak {
    pub(super) fn new(nanos: f64, now: Time) -> Self {
        let average = Average::default();
        average.set(nanos, now);
        Peak(average)
    }

    /// The estimate at `now`, in nanoseconds; never nothing, so that what is in flight always weighs.
    #[inline]
    pub(super) fn read(&self, now: Time, constant: f64) -> f64 {
        (self.0.nanos() * decay(self.0.age(now) as f64 / constant)).max(1.0)
    }

    pub(super) fn observe(&self, sample: u64, now: Time, constant: f64) {
        let sample = sample as f64;
        self.0.shift(now, |estimate, age| {
            if sample > estimate {
                return sample;
            }
            let kept = decay(age as f64 / constant);
            estimate * kept + sample * (1.0 - kept)
        });
    }

    pub(super) fn start_over(&self, nanos: f64, now: Time) {
        self.0.set(nanos, now);
    }
}

impl Mean {
    /// The mean, in nanoseconds; nothing when it has had no sample for ten time constants.
    pub(super) fn read(&self, now: Time, constant: f64) -> f64 {
        if self.0.age(now) as f64 > 10.0 * constant { 0.0 } else { self.0.nanos() }
    }

    pub(super) fn observe(&self, sample: u64, now: Time, constant: f64) {
        self.0.shift(now, |mean, age| {
            let weight = (1.0 - decay(age as f64 / constant)).min(HEAVIEST);
            mean + (sample as f64 - mean) * weight
        });
    }
}

/// e^−x for an x of 0 or more, to four digits: what is left of a value after x time constants.
#[inline]
pub(super) fn decay(x: f64) -> f64 {
    let halvings = x * core::f64::consts::LOG2_E;
    if halvings >= 1000.0 {
        return 0.0;
    }
    let whole = halvings as u64;
    let t = (halvings - whole as f64) * core::f64::consts::LN_2;
    // The series of e^−t, for a t below ln 2.
    let series =
        1.0 - t * (1.0 - t / 2.0 * (1.0 - t / 3.0 * (1.0 - t / 4.0 * (1.0 - t / 5.0 * (1.0 - t / 6.0)))));
    series * f64::from_bits((1023 - whole) << 52)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const CONSTANT: f64 = 10.0 * SECOND as f64;

    #[test]
    fn decay_is_the_exponential_function() {
        for step in 0..5_000 {
            let x = f64::from(step) / 100.0;
            let (ours, exact) = (decay(x), (-x).exp());
            assert!((ours - exact).abs() <= exact * 3e-5, "e^-{x} is {exact}, not {ours}");
        }
        assert_eq!(decay(1e9), 0.0);
        assert_eq!(decay(f64::INFINITY), 0.0);
    }

    #[test]
    fn a_peak_counts_at_once_and_fades_by_the_time_constant() {
        let peak = Peak::new(1e6, Time::ZERO);
        peak.observe(SECOND, Time::from_secs(1), CONSTANT);
        assert_eq!(peak.read(Time::from_secs(1), CONSTANT), 1e9);
        let faded = peak.read(Time::from_secs(11), CONSTANT);
        assert!((faded / 1e9 - 0.36788).abs() < 1e-4, "{faded}");
        peak.observe(0, Time::from_secs(11), CONSTANT);
        let fallen = peak.read(Time::from_secs(11), CONSTANT);
        assert!((fallen / 1e9 - 0.36788).abs() < 1e-4, "a fast answer brings it no lower than silence does");
    }

    #[test]
    fn fast_answers_at_one_instant_do_not_hide_a_peak() {
        let (peak, now) = (Peak::new(1e6, Time::ZERO), Time::from_secs(1));
        peak.observe(SECOND, now, CONSTANT);
        (0..1000).for_each(|_| peak.observe(1000, now, CONSTANT));
        assert_eq!(peak.read(now, CONSTANT), 1e9);
    }

    #[test]
    fn a_mean_follows_slowly_both_ways() {
        let mean = Mean::default();
        mean.observe(SECOND, Time::from_secs(100), CONSTANT);
        assert_eq!(mean.read(Time::from_secs(100), CONSTANT), 0.3e9, "one sample is not everything");
        (101..200).for_each(|second| mean.observe(SECOND, Time::from_secs(second), CONSTANT));
        assert!(mean.read(Time::from_secs(200), CONSTANT) > 0.99e9);
        (200..300).for_each(|second| mean.observe(0, Time::from_secs(second), CONSTANT));
        assert!(mean.read(Time::from_secs(300), CONSTANT) < 0.01e9);
        assert_eq!(mean.read(Time::from_secs(500), CONSTANT), 0.0, "too old to say anything");
    }

    #[test]
    fn a_stale_clock_takes_nothing_away() {
        let peak = Peak::new(1e6, Time::from_secs(9));
        peak.observe(10, Time::from_secs(5), CONSTANT);
        assert_eq!(peak.read(Time::from_secs(4), CONSTANT), 1e6);
    }
}
