//! What every policy counts, as families of named values: the one table behind every exporter.
//!
//! The admin listener's `/metrics` and the bridge to the crate `metrics` say the same under the same names, because both
//! read this. An exporter of another kind implements [`Tell`] and calls [`policies`].

mod family;
mod policies;
mod queues;
mod stand_ins;

pub use policies::policies;

use crate::record::TraceId;
use fusebox_core::breaker::Totals;
use fusebox_core::bulkhead::Bulkhead;
use fusebox_core::cache;
use fusebox_core::fallback::Counters;
use fusebox_core::pipeline::Pipeline;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A service, the endpoint its connections go to, and the places of those.
pub type Connections = (String, String, Arc<Bulkhead>);

/// Reads a cache.
pub type CacheReader = Arc<dyn Fn() -> cache::Snapshot + Send + Sync>;

/// Reads the queues of a store of deferred calls. It waits for nothing: it says how they stood when they were last looked at.
pub type QueueReader = Arc<dyn Fn() -> Queues + Send + Sync>;

/// The queues of one store of deferred calls, and what this process asked of it.
#[derive(Clone, Debug, Default)]
pub struct Queues {
    /// How they stand.
    pub queues: Vec<QueueStanding>,
    /// Calls that were to be kept, by what came of it.
    pub items: Vec<(&'static str, u64)>,
    /// Deferred calls, by what came of making them.
    pub calls: Vec<(&'static str, u64)>,
    /// Calls that were not kept, by why.
    pub refused: Vec<(&'static str, u64)>,
}

/// One queue of deferred calls.
#[derive(Clone, Debug)]
pub struct QueueStanding {
    /// Its name.
    pub name: Arc<str>,
    /// Calls that have not ended, by class, the lowest first.
    pub depth: [u64; 4],
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The fuller of the two limits, as a part of it.
    pub fill: f64,
    /// Calls that are being made.
    pub leased: u64,
    /// Calls that are asked for before they are sent.
    pub needs_check: u64,
    /// Calls that nobody makes any more.
    pub dead: u64,
    /// How long the oldest of those that have not ended has waited.
    pub oldest_age: Duration,
    /// Nothing of it is made.
    pub paused: bool,
    /// How this process makes its calls, if it does.
    pub replay: Option<QueueReplay>,
}

/// How the calls of a queue are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueReplay {
    /// Whether the dependency takes calls: `closed` when it does, `probing` when a few find out, `open` when it does not.
    pub gate: &'static str,
    /// Calls a second that are made at most now; 0 while the gate is open.
    pub rate: f64,
    /// Calls a second that the rate never grows beyond.
    pub ceiling: f64,
}

/// Whatever counts, each with the service it belongs to.
#[derive(Clone, Default)]
pub struct Subjects {
    /// Pipelines, whose every policy is told.
    pub pipelines: Vec<(String, Arc<Pipeline>)>,
    /// Limits on connections.
    pub connections: Vec<Connections>,
    /// What came of fallbacks.
    pub fallbacks: Vec<(String, Arc<Counters>)>,
    /// Kept answers.
    pub caches: Vec<(String, CacheReader)>,
    /// Stores of deferred calls.
    pub queues: Vec<QueueReader>,
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").field("pipelines", &self.pipelines.len()).finish_non_exhaustive()
    }
}

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many there were of which size; only grows.
    Histogram,
}

/// How many there were of which size.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    /// The upper edge of every bucket but the last, which has none; an edge belongs to the bucket that it ends.
    pub edges: &'a [f64],
    /// How many are in each bucket, one more than there are edges.
    pub counts: &'a [u64],
    /// All sizes together.
    pub sum: f64,
    /// An example from each bucket, as far as there are any; empty if there are none at all.
    pub examples: &'a [Option<Example>],
}

/// One of those that a bucket counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// Its size.
    pub value: f64,
    /// When it was, since 1970.
    pub date: Duration,
}

/// Takes families in their order, each with the samples that follow it.
pub trait Tell {
    /// A family begins: its name, what it measures, and a sentence about it.
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str);

    /// A sample of the family that began last. Labels are in the same order for every sample of a family; counters named
    /// in seconds have fractions.
    fn sample(&mut self, labels: &[(&'static str, &str)], value: f64);

    /// As [`sample`](Self::sample), of a family of histograms. Who has no place for them leaves it at that.
    fn histogram(&mut self, _labels: &[(&'static str, &str)], _seen: &Histogram<'_>) {}
}

/// Reads one counter of a circuit.
pub type Count = fn(&Totals) -> u64;

/// The values of the label `result` of `circuit_breaker_calls_total`. Each settled call is one of `success`, `failure`,
/// `ignored`, `cancelled` and `late`; `rejected` ones were not made; `slow`, `recovering`, `would_reject` and `unenforced`
/// are counted in addition.
pub const RESULTS: [(&str, Count); 10] = [
    ("success", |t| t.success),
    ("failure", |t| t.failure),
    ("rejected", |t| t.rejected),
    ("slow", |t| t.slow),
    ("ignored", |t| t.ignored),
    ("cancelled", |t| t.cancelled),
    ("late", |t| t.late),
    ("recovering", |t| t.recovering),
    ("would_reject", |t| t.would_reject),
    ("unenforced", |t| t.unenforced),
];
