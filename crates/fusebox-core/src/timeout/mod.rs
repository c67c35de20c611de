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

use crate::latency::{Following, Rule};
use crate::sync::{AtomicU64, Relaxed};
use crate::time::nanos;
use crate::{Failure, Outcome, Ratio, Time};

/// The timeout of a dependency's attempts, shared by all of them.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use fusebox_core::timeout::{Config, Timeout};
/// use fusebox_core::{Outcome, Time};
///
/// let timeout = Timeout::new(Config::ADAPTIVE.check().expect("the settings work"));
/// assert_eq!(timeout.span(Time::ZERO), 5_000_000_000, "its start");
/// for i in 0..1_000 {
///     timeout.record(150_000_000, Outcome::Success, Time::from_millis(i));
/// }
/// let span = timeout.span(Time::from_secs(1));
/// assert!((300_000_000..340_000_000).contains(&span), "twice what calls took");
/// ```
#[derive(Debug)]
pub struct Timeout {
    settings: Settings,
    span: Span,
    timed_out: AtomicU64,
}

#[derive(Debug)]
enum Span {
    Fixed(u64),
    Adaptive(Following),
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
        let span = match *settings.config() {
            Config::Fixed(span) => Span::Fixed(nanos(span)),
            Config::Adaptive { percentile, factor, min, max, start, minimum_calls } => {
                Span::Adaptive(Following::new(Rule {
                    percentile: Ratio::new(percentile).unwrap_or(Ratio::ONE),
                    factor,
                    min: nanos(min),
                    max: nanos(max),
                    start: nanos(start),
                    minimum_calls: u64::from(minimum_calls),
                }))
            }
        };
        Timeout { settings, span, timed_out: AtomicU64::new(0) }
    }

    /// The settings it works by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What an attempt that begins now may take, in nanoseconds.
    #[inline]
    pub fn span(&self, now: Time) -> u64 {
        match &self.span {
            Span::Fixed(span) => *span,
            Span::Adaptive(following) => following.span(now),
        }
    }

    /// Learns from an attempt that ended now and took so many nanoseconds. Successes and timeouts are samples; an
    /// attempt that timed out took at least its timeout, so what it took is what is known of it.
    #[inline]
    pub fn record(&self, nanos: u64, outcome: Outcome, now: Time) {
        let timed_out = matches!(outcome, Outcome::Failure(Failure::Timeout));
        if timed_out {
            self.timed_out.fetch_add(1, Relaxed);
        }
        if let Span::Adaptive(following) = &self.span
            && (timed_out || outcome == Outcome::Success)
        {
            following.record(nanos, now);
        }
    }

    /// The timeout at one moment.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let (adaptive, (samples, percentile_nanos)) = match &self.span {
            Span::Fixed(_) => (false, (0, None)),
            Span::Adaptive(following) => (true, following.seen(now)),
        };
        let timed_out = self.timed_out.load(Relaxed);
        Snapshot { span_nanos: self.span(now), adaptive, samples, percentile_nanos, timed_out }
    }
}

#[cfg(test)]
mod tests;
