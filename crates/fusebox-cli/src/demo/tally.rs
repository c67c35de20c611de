//! What came of the calls, as the caller saw it.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest latency told apart; nothing waits longer.
const LONGEST_MICROS: u64 = 60_000_000;

/// What a caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// The dependency's own answer.
    Answer,
    /// The answer kept ready.
    Fallback,
    /// A refusal: a circuit is open.
    Rejection,
    /// An error, a broken connection, or nothing in time.
    Failure,
}

/// Calls and what came of each; the kinds add up to the calls.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) fallbacks: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    micros: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        // The bounds are constants that the histogram takes: 1 ≤ low, 2 × low ≤ high, at most 5 digits.
        let micros = Histogram::new_with_bounds(1, LONGEST_MICROS, 3).expect("good bounds");
        Tally { answered: 0, fallbacks: 0, rejected: 0, failed: 0, micros }
    }
}

impl Tally {
    /// Counts a call.
    pub(super) fn add(&mut self, got: Got, latency: Duration) {
        *match got {
            Got::Answer => &mut self.answered,
            Got::Fallback => &mut self.fallbacks,
            Got::Rejection => &mut self.rejected,
            Got::Failure => &mut self.failed,
        } += 1;
        self.micros.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS).max(1));
    }

    /// Every call counted.
    pub(super) fn calls(&self) -> u64 {
        self.micros.len()
    }

    /// The latency that this share of the calls stayed within; `None` without calls.
    pub(super) fn latency(&self, share: f64) -> Option<Duration> {
        (!self.micros.is_empty()).then(|| Duration::from_micros(self.micros.value_at_quantile(share)))
    }

    /// This one and `other` together.
    pub(super) fn with(mut self, other: &Tally) -> Tally {
        self.answered += other.answered;
        self.fallbacks += other.fallbacks;
        self.rejected += other.rejected;
        self.failed += other.failed;
        // Both have the same bounds, which is all that adding asks for.
        self.micros.add(&other.micros).expect("the same bounds");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_add_up_to_calls_and_percentiles_are_those_of_the_latencies() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(0.5), None);
        for (i, got) in [Got::Answer, Got::Fallback, Got::Rejection, Got::Failure].into_iter().enumerate() {
            for n in 1..=25 {
                tally.add(got, Duration::from_millis(25 * i as u64 + n));
            }
        }
        let sum = tally.answered + tally.fallbacks + tally.rejected + tally.failed;
        assert_eq!((sum, tally.calls()), (100, 100));
        let near = |share: f64, millis: f64| {
            let measured = tally.latency(share).expect("calls").as_secs_f64() * 1000.0;
            assert!((measured - millis).abs() / millis < 0.002, "{share}: {measured} ms");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        let twice = tally.clone().with(&tally);
        assert_eq!((twice.calls(), twice.failed), (200, 50));
    }
}
