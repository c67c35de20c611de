//! What the machine asks for the parts a breaker is made of. Every other figure is read against these.

use crate::subject::{Direct, Subject, Traffic};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// One part, on so many threads.
pub(crate) struct Floor {
    pub(crate) title: &'static str,
    pub(crate) threads: usize,
    /// What it was on the machine on which the targets were set.
    pub(crate) reference: f64,
    pub(crate) subject: Box<dyn Subject>,
}

/// Every floor, in the order of the table.
pub(crate) fn all() -> Vec<Floor> {
    let floor = |title, threads, reference, subject: Option<Box<dyn Subject>>| {
        Some(Floor { title, threads, reference, subject: subject? })
    };
    let fetch_add = || {
        Direct::boxed(Traffic::Good, AtomicU64::new(0), |word: &AtomicU64, _, _| {
            word.fetch_add(1, Relaxed);
            true
        })
    };
    let mutex = || {
        Direct::boxed(Traffic::Good, Mutex::new(0u64), |word: &Mutex<u64>, _, _| {
            word.lock().map(|mut word| *word += 1).is_ok()
        })
    };
    let coarse = Direct::boxed(Traffic::Good, (), |(), _, _| {
        black_box(clock_gettime(ClockId::MonotonicCoarse));
        true
    });
    let instant = Direct::boxed(Traffic::Good, (), |(), _, _| {
        black_box(Instant::now());
        true
    });
    [
        floor("the loop alone", 1, 0.26, Direct::boxed(Traffic::Good, (), |(), _, good| good)),
        floor("one atomic add", 1, 5.31, fetch_add()),
        floor("one atomic add, the same word", 2, 15.5, fetch_add()),
        floor("one mutex, locked and unlocked", 1, 10.8, mutex()),
        floor("one mutex, the same", 2, 67.1, mutex()),
        floor("coarse clock", 1, 2.89, coarse),
        floor("`Instant::now`", 1, 23.7, instant),
    ]
    .into_iter()
    .flatten()
    .collect()
}
