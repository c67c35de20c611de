//! A span that follows a percentile of recent latencies.

use super::Latencies;
use crate::sync::{AtomicU64, Relaxed};
use crate::{Ratio, Time};
use core::time::Duration;

/// How far back a span that follows the latencies looks.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How often it is worked out anew: a tenth of a second.
const REVIEW: u64 = 100_000_000;

/// How a span follows: all lengths in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) percentile: Ratio,
    pub(crate) factor: f64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// The span while there are fewer calls than `minimum_calls`.
    pub(crate) start: u64,
    pub(crate) minimum_calls: u64,
}

/// A span and the latencies that it follows. Reading it costs two loads; it is worked out anew now and then.
#[derive(Debug)]
pub(crate) struct Following {
    rule: Rule,
    latencies: Latencies,
    span: AtomicU64,
    /// When the span is to be worked out anew.
    review: AtomicU64,
}

impl Following {
    pub(crate) fn new(rule: Rule) -> Self {
        Following {
            rule,
            latencies: Latencies::new(WINDOW),
            span: AtomicU64::new(rule.start),
            review: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn record(&self, nanos: u64, now: Time) {
        self.latencies.record(nanos, now);
    }

    #[inline]
    pub(crate) fn span(&self, now: Time) -> u64 {
        let review = self.review.load(Relaxed);
        if now.as_nanos() >= review {
            self.work_out(review, now);
        }
        self.span.load(Relaxed)
    }

    /// Calls it goes by, and their percentile.
    pub(crate) fn seen(&self, now: Time) -> (u64, Option<u64>) {
        let seen = self.latencies.distribution(now);
        (seen.count(), seen.percentile(self.rule.percentile))
    }

    /// Unless somebody else has just begun to.
    #[cold]
    fn work_out(&self, review: u64, now: Time) {
        let next = now.plus_nanos(REVIEW).as_nanos();
        if self.review.compare_exchange(review, next, Relaxed, Relaxed).is_ok() {
            let Rule { percentile, factor, min, max, start, minimum_calls } = self.rule;
            let seen = self.latencies.distribution(now);
            let span = match seen.at_most(percentile) {
                Some(latency) if seen.count() >= minimum_calls => {
                    ((latency as f64 * factor) as u64).clamp(min, max)
                }
                _ => start,
            };
            self.span.store(span, Relaxed);
        }
    }
}
