//! One attempt's time: fixed, or a multiple of what calls took lately.
//!
//! An adaptive timeout follows a percentile of recent latencies. The samples are what makes it safe:
//!
//! * **An attempt that was cut off is a sample**, as long as it was let run. Left out, only calls that were fast enough
//!   would be left, the percentile would fall, the next timeout would cut more, and so on down to cutting everything.
//!   Counted in, a dependency that slows down pushes the timeout up: once the percentile is a call that was cut off,
//!   the next timeout is `factor` times the last, until calls get through again or `max` is reached.
//! * **A failure that is fast is none**: a refused connection says nothing of how long an answer takes.
//! * **The timeout is above the percentile's bucket**, not in its middle, so rounding never takes it down.

mod config;
mod wire_text;

pub mod wire;

pub use config::{Config, Settings};

use crate::latency::Latencies;
use crate::sync::{AtomicU64, Relaxed};
use crate::time::nanos;
use crate::{Failure, Outcome, Ratio, Time};
use core::time::Duration;

/// How far back an adaptive timeout looks.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How often an adaptive timeout is worked out anew: a tenth of a second.
const REVIEW: u64 = 100_000_000;

/// The timeout of a dependency's attempts, shared by all of them.
#[derive(Debug)]
pub struct Timeout {
    span: AtomicU64,
    timed_out: AtomicU64,
    adaptive: Option<Adaptive>,
}

#[derive(Debug)]
struct Adaptive {
    latencies: Latencies,
    /// When the timeout is to be worked out anew.
    review: AtomicU64,
    percentile: Ratio,
    factor: f64,
    min: u64,
    max: u64,
    start: u64,
    minimum_calls: u64,
}

/// A timeout at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// What an attempt that begins now may take, in nanoseconds.
    pub span_nanos: u64,
    /// Whether it follows the latencies.
    pub adaptive: bool,
    /// Attempts that an adaptive timeout looks back on.
    pub samples: u64,
    /// Their percentile, in nanoseconds; `None` without samples.
    pub percentile_nanos: Option<u64>,
    /// Attempts that were cut off, since the timeout was made.
    pub timed_out: u64,
}

impl Timeout {
    /// A timeout that has seen no attempt yet.
    pub fn new(settings: Settings) -> Self {
        let (span, adaptive) = match *settings.config() {
            Config::Fixed(span) => (nanos(span), None),
            Config::Adaptive { percentile, factor, min, max, start, minimum_calls } => {
                let adaptive = Adaptive {
                    latencies: Latencies::new(WINDOW),
                    review: AtomicU64::new(0),
                    percentile: Ratio::new(percentile).unwrap_or(Ratio::ONE),
                    factor,
                    min: nanos(min),
                    max: nanos(max),
                    start: nanos(start),
                    minimum_calls: u64::from(minimum_calls),
                };
                (adaptive.start, Some(adaptive))
            }
        };
        Timeout { span: AtomicU64::new(span), timed_out: AtomicU64::new(0), adaptive }
    }

    /// What an attempt that begins now may take, in nanoseconds.
    #[inline]
    pub fn span(&self, now: Time) -> u64 {
        if let Some(adaptive) = &self.adaptive {
            let review = adaptive.review.load(Relaxed);
            if now.as_nanos() >= review {
                self.review(adaptive, review, now);
            }
        }
        self.span.load(Relaxed)
    }

    /// Learns from an attempt that ended now and took so many nanoseconds. Successes and timeouts are samples; an
    /// attempt that timed out took at least its timeout, so what it took is what is known of it.
    #[inline]
    pub fn record(&self, nanos: u64, outcome: Outcome, now: Time) {
        let timed_out = matches!(outcome, Outcome::Failure(Failure::Timeout));
        if timed_out {
            self.timed_out.fetch_add(1, Relaxed);
        }
        if let Some(adaptive) = &self.adaptive
            && (timed_out || outcome == Outcome::Success)
        {
            adaptive.latencies.record(nanos, now);
        }
    }

    /// The timeout at one moment.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let seen = self.adaptive.as_ref().map(|a| (a.latencies.distribution(now), a.percentile));
        Snapshot {
            span_nanos: self.span(now),
            adaptive: seen.is_some(),
            samples: seen.as_ref().map_or(0, |(seen, _)| seen.count()),
            percentile_nanos: seen.and_then(|(seen, percentile)| seen.percentile(percentile)),
            timed_out: self.timed_out.load(Relaxed),
        }
    }

    /// Works the timeout out anew, unless somebody else has just begun to.
    #[cold]
    fn review(&self, adaptive: &Adaptive, review: u64, now: Time) {
        let next = now.plus_nanos(REVIEW).as_nanos();
        if adaptive.review.compare_exchange(review, next, Relaxed, Relaxed).is_ok() {
            self.span.store(adaptive.span(now), Relaxed);
        }
    }
}

impl Adaptive {
    fn span(&self, now: Time) -> u64 {
        let seen = self.latencies.distribution(now);
        match seen.at_most(self.percentile) {
            Some(percentile) if seen.count() >= self.minimum_calls => {
                ((percentile as f64 * self.factor) as u64).clamp(self.min, self.max)
            }
            _ => self.start,
        }
    }
}

#[cfg(test)]
mod tests;
