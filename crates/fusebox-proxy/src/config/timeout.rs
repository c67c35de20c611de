//! `call_timeout`: the time of one attempt, fixed or worked out.

use super::chain::CALL_TIMEOUT;
use super::keys;
use super::reader::Entry;
use fusebox_core::timeout::{Config, Settings};
use std::time::Duration;

/// Shorter than this is no time for a network.
pub(super) const LEAST: Duration = Duration::from_millis(1);

/// The time of one attempt.
#[derive(Clone, Copy, Default)]
pub(super) struct CallTimeout {
    /// With an adaptive one the longest that it may come to; `None` for off.
    pub(super) longest: Option<Duration>,
    pub(super) adaptive: Option<Settings>,
}

impl CallTimeout {
    pub(super) const USUAL: CallTimeout = CallTimeout { longest: Some(CALL_TIMEOUT), adaptive: None };
}

/// The timeout that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<CallTimeout> {
    if entry.is_off() {
        return Some(CallTimeout::default());
    }
    if !entry.is_table() {
        return Some(CallTimeout { longest: Some(entry.duration_from(LEAST)?), adaptive: None });
    }
    let t = entry.table(&keys::CALL_TIMEOUT, "")?;
    // The defaults as the core has them.
    let (least, usual) = (Duration::from_millis(100), CALL_TIMEOUT);
    let percentile = t.or("percentile", 0.99, |e| e.number("a share above 0, up to 1"));
    let factor = t.or("factor", 2.0, |e| e.number("a number from 1 to 100"));
    let min = t.or("min", least, |e| e.duration_from(LEAST));
    let max = t.or("max", usual.max(min.unwrap_or(least)), |e| e.duration_from(LEAST));
    let start = t.or("start", max.unwrap_or(usual), Entry::duration);
    let minimum_calls = t.or("minimum_calls", 100, |e| e.whole("a whole number of 1 or more"));
    let (percentile, factor, minimum_calls) = (percentile?, factor?, minimum_calls?);
    let (min, max, start) = (min?, max?, start?);
    let config = Config::Adaptive { percentile, factor, min, max, start, minimum_calls };
    let adaptive = t.checked(config.check(), &[])?;
    Some(CallTimeout { longest: Some(max), adaptive: Some(adaptive) })
}
