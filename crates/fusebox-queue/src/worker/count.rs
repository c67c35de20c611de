//! What a worker counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one lane.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) fetches: AtomicU64,
    pub(super) fetched: AtomicU64,
    pub(super) handled: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) in_progress: AtomicU64,
    pub(super) dead_lettered: AtomicU64,
    pub(super) errors: AtomicU64,
}

/// What has happened in one lane since the worker was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Times that the source was asked for messages.
    pub fetches: u64,
    /// Messages that it gave.
    pub fetched: u64,
    /// Messages that were handled, and are acknowledged.
    pub handled: u64,
    /// Messages that failed, and come again.
    pub retried: u64,
    /// Times that a message was kept in hand since it could not be sent.
    pub held: u64,
    /// Times that the source heard that a message is in hand.
    pub in_progress: u64,
    /// Messages that are with the dead.
    pub dead_lettered: u64,
    /// Times that the source did not do what it was asked; what was asked for a message is asked again when it is delivered again.
    pub errors: u64,
}

/// One lane at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// Its name.
    pub name: String,
    /// Messages in hand, or asked for.
    pub pending: usize,
    /// As many as may be.
    pub most: usize,
    /// Messages in the source that nobody has fetched; nothing if the source does not say.
    pub lag: Option<u64>,
    /// What has happened.
    pub counts: LaneCounts,
}

/// A worker at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its lanes, in the plan's order.
    pub lanes: Vec<LaneSnapshot>,
}

impl Snapshot {
    /// Messages in hand, or asked for, in all lanes.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(|lane| lane.pending).sum()
    }
}

impl Counters {
    pub(super) fn read(&self) -> LaneCounts {
        let Counters { fetches, fetched, handled, retried, held, in_progress, dead_lettered, errors } = self;
        LaneCounts {
            fetches: fetches.load(Relaxed),
            fetched: fetched.load(Relaxed),
            handled: handled.load(Relaxed),
            retried: retried.load(Relaxed),
            held: held.load(Relaxed),
            in_progress: in_progress.load(Relaxed),
            dead_lettered: dead_lettered.load(Relaxed),
            errors: errors.load(Relaxed),
        }
    }
}

pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
