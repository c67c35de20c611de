//! `[service.bulkhead]`: places, and who may wait for one.

use super::chain::{BulkheadPlan, Counts};
use super::header;
use super::keys::{AIMD, BULKHEAD, GRADIENT, LIMIT, SHARES};
use super::reader::{Entry, Table};
use fusebox_core::Priority;
use fusebox_core::adaptive::{self, Aimd, Gradient};
use fusebox_core::bulkhead::{Config, PerKey, QueueOrder};
use std::time::Duration;

const COUNT: &str = "a whole number of 1 or more";
const SHARE: &str = "a share above 0, up to 1";
const ORDERS: [(&str, QueueOrder); 2] = [("fifo", QueueOrder::Fifo), ("lifo", QueueOrder::Lifo)];

/// The bulkhead that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<BulkheadPlan> {
    let t = entry.table(&BULKHEAD, "a table, as { max_concurrent = 25 }, or false for off")?;
    let usual = Config::default();
    let max_concurrent = t.or("max_concurrent", usual.max_concurrent, |e| e.whole(COUNT));
    let max_wait = t.or("max_wait", usual.max_wait, Entry::duration);
    let max_queue = t.or("max_queue", usual.max_queue, |e| e.whole("a whole number up to 1000000"));
    let order = t.or("order", usual.order, |e| e.word(&ORDERS));
    let max_per_key = t.or("max_per_key", None, |e| per_key(e).map(Some));
    let key = t.or("key", None, |e| header::key(e).map(Some));
    let shares = t.or("shares", usual.shares, shares);
    let counts = t.or("counts", Counts::Calls, |e| e.word(&Counts::ALL));
    let limit = t.or("limit", None, limit);
    t.only_beside("max_per_key", "key", "it says whose calls are counted");
    t.only_beside("key", "max_per_key", "without it a key holds nobody back");
    let (adaptive, counts) = (limit?, counts?);
    if counts == Counts::Bytes {
        bytes(&t, adaptive.is_some());
    }
    if adaptive.is_some() {
        t.exclude("max_concurrent", "limit");
    }
    let (max_wait, max_queue) = (max_wait?, max_queue?);
    let waits = |key: &str, other: &str| t.entry(key).is_none() && t.entry(other).is_some();
    let config = Config {
        max_concurrent: adaptive.as_ref().map_or(max_concurrent?, most),
        // One of them without the other: nobody waits.
        max_wait: if waits("max_wait", "max_queue") && max_queue == 0 { Duration::ZERO } else { max_wait },
        max_queue: if waits("max_queue", "max_wait") && max_wait.is_zero() { 0 } else { max_queue },
        order: order?,
        max_per_key: max_per_key?,
        shares: shares?,
    };
    let settings = t.checked(config.check(), &[])?;
    Some(BulkheadPlan { settings, adaptive, counts, key: key? })
}

/// Bytes need a bound of their own: the usual one is a number of calls.
fn bytes(t: &Table<'_>, adaptive: bool) {
    if adaptive {
        t.fault(
            "limit",
            "found an adaptive limit with counts = \"bytes\", accepted: \"fixed\", or counts = \"calls\"",
        );
    } else if t.entry("max_concurrent").is_none() {
        t.missing("max_concurrent", "the bytes that may be under way at once, beside counts = \"bytes\"");
    }
}

/// The highest that an adaptive limit may come to.
pub(super) fn most(limit: &adaptive::Settings) -> u64 {
    match limit.config() {
        adaptive::Config::Gradient(gradient) => gradient.max,
        adaptive::Config::Aimd(aimd) => aimd.max,
    }
}

/// A whole number is places, another number a share of them.
fn per_key(e: &Entry<'_>) -> Option<PerKey> {
    if e.is_whole() { e.whole(COUNT).map(PerKey::Places) } else { e.number(SHARE).map(PerKey::Share) }
}

fn shares(e: &Entry<'_>) -> Option<[f64; 4]> {
    if e.is_text() {
        return e.word(&[("shedding", Config::SHEDDING)]);
    }
    let t = e.table(&SHARES, "a table, as { low = 0.5, normal = 0.8 }, or \"shedding\"")?;
    let [low, normal, high, critical] = Priority::ALL.map(|(name, _)| t.or(name, 1.0, |e| e.number(SHARE)));
    Some([low?, normal?, high?, critical?])
}

/// What moves the number of places; `None` where it is fixed.
fn limit(e: &Entry<'_>) -> Option<Option<adaptive::Settings>> {
    let words = [
        ("fixed", None),
        ("gradient", Some(adaptive::Config::Gradient(Gradient::default()))),
        ("aimd", Some(adaptive::Config::Aimd(Aimd::default()))),
    ];
    let accepted = "\"fixed\", \"gradient\", \"aimd\", { gradient = { .. } } or { aimd = { .. } }";
    if e.is_text() {
        return e.word(&words)?.map_or(Some(None), |config| config.check().ok().map(Some));
    }
    let t = e.table(&LIMIT, accepted)?;
    t.exclude("gradient", "aimd");
    match (t.entry("gradient"), t.entry("aimd")) {
        (Some(e), _) => gradient(&e).map(Some),
        (None, Some(e)) => aimd(&e).map(Some),
        (None, None) => {
            e.refuse(accepted);
            None
        }
    }
}

fn gradient(e: &Entry<'_>) -> Option<adaptive::Settings> {
    let t = e.table(&GRADIENT, "a table, as { max = 200 }")?;
    let usual = Gradient::default();
    let (start, min, max) = bounds(&t, usual.start, usual.min, usual.max);
    let tolerance = t.or("tolerance", usual.tolerance, |e| e.number("a number from 1, below 2"));
    let smoothing = t.or("smoothing", usual.smoothing, |e| e.number(SHARE));
    let window = t.or("window", usual.window, Entry::duration);
    let minimum_samples = t.or("minimum_samples", usual.minimum_samples, |e| e.whole(COUNT));
    let probe_every = t.or("probe_every", usual.probe_every, Entry::duration);
    let idle = t.or("idle", usual.idle, Entry::duration);
    let gradient = Gradient {
        start: start?,
        min: min?,
        max: max?,
        tolerance: tolerance?,
        smoothing: smoothing?,
        window: window?,
        minimum_samples: minimum_samples?,
        probe_every: probe_every?,
        idle: idle?,
    };
    t.checked(adaptive::Config::Gradient(gradient).check(), &[])
}

fn aimd(e: &Entry<'_>) -> Option<adaptive::Settings> {
    let t = e.table(&AIMD, "a table, as { max = 200 }")?;
    let usual = Aimd::default();
    let (start, min, max) = bounds(&t, usual.start, usual.min, usual.max);
    let increase = t.or("increase", usual.increase, |e| e.whole(COUNT));
    let backoff = t.or("backoff", usual.backoff, |e| e.number("a share from 0.1, below 1"));
    let slow = t.or("slow", usual.slow, |e| e.off_or(Entry::duration));
    let idle = t.or("idle", usual.idle, Entry::duration);
    let (start, min, max) = (start?, min?, max?);
    let aimd = Aimd { start, min, max, increase: increase?, backoff: backoff?, slow: slow?, idle: idle? };
    t.checked(adaptive::Config::Aimd(aimd).check(), &[])
}

/// A start that is not written lies within the bounds that are.
fn bounds(t: &Table<'_>, start: u64, min: u64, max: u64) -> (Option<u64>, Option<u64>, Option<u64>) {
    let min = t.or("min", min, |e| e.whole(COUNT));
    let max = t.or("max", max, |e| e.whole(COUNT));
    let usual = start.min(max.unwrap_or(start)).max(min.unwrap_or(start));
    (t.or("start", usual, |e| e.whole(COUNT)), min, max)
}
