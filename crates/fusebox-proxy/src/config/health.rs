//! `[service.health]`: endpoints are asked whether they are well.

use super::chain::HealthCheck;
use super::keys::HEALTH;
use super::reader::Entry;
use std::ops::RangeInclusive;
use std::time::Duration;

const COUNT: &str = "a whole number from 1 to 1000";
const EXPECT: &str = "a status, as 204, or the first and the last one, as [200, 399]";
const PATH: &str = "a path, as \"/healthz\"";
/// More often than this is a load of its own.
const LEAST: Duration = Duration::from_millis(10);

/// The checks that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<HealthCheck> {
    let t = entry.table(&HEALTH, "a table, as { path = \"/healthz\" }, or false for off")?;
    let usual_interval = Duration::from_secs(5);
    if t.entry("path").is_none() {
        t.missing("path", PATH);
    }
    let path = t.entry("path").and_then(|e| e.parsed(PATH, path));
    let interval = t.or("interval", usual_interval, |e| e.duration_from(LEAST));
    let usual_timeout = Duration::from_secs(1).min(interval.unwrap_or(usual_interval));
    let timeout = t.or("timeout", usual_timeout, |e| e.duration_from(Duration::from_millis(1)));
    let count = |key, usual| t.or(key, usual, |e| Some(e.within(1, 1_000, COUNT)? as u32));
    let (healthy_after, unhealthy_after) = (count("healthy_after", 2), count("unhealthy_after", 3));
    let expect = t.or("expect", 200..=399, expect);
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout > interval
    {
        t.refuse_beside("timeout", "interval", interval, "as long as interval, or shorter");
    }
    Some(HealthCheck {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        healthy_after: healthy_after?,
        unhealthy_after: unhealthy_after?,
        expect: expect?,
    })
}

fn path(text: &str) -> Option<String> {
    let visible = text.chars().all(|c| c.is_ascii_graphic() && !"#\\".contains(c));
    (text.starts_with('/') && visible).then(|| text.into())
}

fn expect(e: &Entry<'_>) -> Option<RangeInclusive<u16>> {
    let status = |e: &Entry<'_>| e.within(100, 599, EXPECT).and_then(|status| u16::try_from(status).ok());
    if !e.is_list() {
        return status(e).map(|status| status..=status);
    }
    match e.list(EXPECT)?.as_slice() {
        [first, last] => {
            let (first, last) = (status(first)?, status(last)?);
            if first > last {
                e.refuse("the lower status first");
            }
            Some(first..=last)
        }
        _ => {
            e.refuse(EXPECT);
            None
        }
    }
}
