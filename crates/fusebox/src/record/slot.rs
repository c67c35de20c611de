//! A circuit's record, once somebody wants one.

use super::Record;
use crate::Time;
use crate::circuit::CircuitBreaker;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Switched off until somebody asks; allocated with the first attempt after that.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    on: AtomicBool,
    record: OnceLock<Box<Record>>,
}

impl Slot {
    pub(crate) fn switched(on: bool) -> Slot {
        Slot { on: AtomicBool::new(on), record: OnceLock::new() }
    }
}

impl CircuitBreaker {
    /// Records attempts from now on: how long they take, and the last that fail. See [`record`](crate::record).
    pub fn start_recording(&self) {
        self.slot().on.store(true, Relaxed);
    }

    /// Whether attempts are recorded.
    #[inline(always)]
    pub fn is_recording(&self) -> bool {
        self.slot().on.load(Relaxed)
    }

    /// The moment that an attempt begins, apart from those of whom nothing is recorded.
    #[cold]
    #[inline(never)]
    pub(crate) fn began(&self) -> Time {
        self.clock().stamp()
    }

    /// The record of its attempts; `None` where there is none yet: before the first attempt since
    /// [`start_recording`](Self::start_recording).
    pub fn record(&self) -> Option<&Record> {
        self.slot().record.get().map(|record| &**record)
    }

    /// The record to tell of an attempt; `None` where nobody wants to know.
    pub fn recorder(&self) -> Option<&Record> {
        self.is_recording().then(|| &**self.slot().record.get_or_init(Box::default))
    }
}
