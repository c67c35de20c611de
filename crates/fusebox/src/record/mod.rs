//! What is remembered of a circuit's attempts: how long they took, and what the last failing ones were.
//!
//! A breaker needs none of this to decide, so the core knows nothing of it, and a circuit keeps no record until somebody
//! asks for one: [`Registry::start_recording`](crate::Registry::start_recording), which
#![cfg_attr(feature = "admin", doc = "[`Admin::new`](crate::admin::Admin::new)")]
#![cfg_attr(not(feature = "admin"), doc = "the admin interface")]
//! does, or [`CircuitBreaker::start_recording`](crate::CircuitBreaker::start_recording). Until then an attempt costs one
//! relaxed load. From then on the drivers tell the record of every attempt that was answered or failed, retries and hedges
//! each for themselves; what was cancelled, or says nothing of the dependency, has no latency of the dependency's.
//!
//! ```
//! use fusebox::CircuitBreaker;
//!
//! let payments = CircuitBreaker::new("payments");
//! payments.start_recording();
//! let _ = payments.call(|| Err::<(), _>("no answer"));
//!
//! let seen = payments.record().expect("recording").snapshot();
//! assert_eq!(seen.count(), 1);
//! assert_eq!(seen.calls()[0].kind.to_string(), "error");
//! ```
//!
//! # Synchronization
//!
//! A latency is two relaxed adds, and a third store when it is the longest yet. A snapshot reads the buckets one by one: an
//! attempt that ends meanwhile may be in its bucket and not yet in the sum. Failures take a short lock, and so do exemplars,
//! which let it be when somebody else holds it.

mod buckets;
mod exemplars;
mod failures;
mod slot;
mod snapshot;
mod stamps;
mod trace;

pub use buckets::EDGES;
pub use exemplars::Exemplar;
pub use failures::{FailedCall, KEPT};
pub(crate) use slot::Slot;
pub use snapshot::Snapshot;
pub use stamps::{Attempt, Stamps};
pub use trace::TraceId;

use crate::Time;
use buckets::BUCKETS;
use exemplars::Exemplars;
use failures::Failures;
use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one circuit's attempts took, and the last failing ones. About 2 KiB; with failures and exemplars at most 5 KiB.
#[derive(Debug)]
pub struct Record {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    longest: AtomicU64,
    exemplars: Exemplars,
    failures: Mutex<Failures>,
}

impl Default for Record {
    fn default() -> Self {
        Record {
            counts: from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            exemplars: Exemplars::default(),
            failures: Mutex::default(),
        }
    }
}

impl Record {
    /// An attempt was answered, well or badly, after `took`. `at` is now; `trace` is whose call it was, if that is known.
    #[inline]
    pub fn took(&self, took: Duration, trace: Option<TraceId>, at: Time) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[buckets::of(nanos)].fetch_add(1, Relaxed);
        self.sum.fetch_add(nanos, Relaxed);
        if nanos > self.longest.load(Relaxed) {
            self.longest.fetch_max(nanos, Relaxed);
        }
        if let Some(trace) = trace {
            self.exemplars.offer(Exemplar { trace, took, at });
        }
    }

    /// An attempt failed. Its latency is told apart, by [`took`](Self::took).
    pub fn failed(&self, call: FailedCall) {
        // Whoever has to make room is dropped outside the lock.
        let _gone = self.failures().add(call);
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        let (kinds, calls) = self.failures().read();
        Snapshot {
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: Duration::from_nanos(self.sum.load(Relaxed)),
            max: Duration::from_nanos(self.longest.load(Relaxed)),
            exemplars: self.exemplars.read(),
            kinds,
            calls,
        }
    }

    /// Attempts in each bucket of [`EDGES`], those longer than all of them last, and the sum in nanoseconds: what exporters
    /// read of many circuits, without an allocation.
    pub fn coarse(&self) -> ([u64; EDGES.len() + 1], u64) {
        (buckets::coarse(|bucket| self.counts[bucket].load(Relaxed)), self.sum.load(Relaxed))
    }

    /// The latest attempt with a known trace in each bucket of [`coarse`](Self::coarse).
    pub fn exemplars(&self) -> Option<[Option<Exemplar>; EDGES.len() + 1]> {
        self.exemplars.read()
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn trace(n: u8) -> TraceId {
        TraceId::new([n; 16]).expect("not all zero")
    }

    #[test]
    fn what_is_told_is_what_is_read() {
        let record = Record::default();
        for millis in 1..=100 {
            record.took(Duration::from_millis(millis), None, Time::ZERO);
        }
        let seen = record.snapshot();
        assert_eq!(
            (seen.count(), seen.sum(), seen.max()),
            (100, Duration::from_millis(5_050), Duration::from_millis(100))
        );
        let (buckets, sum) = record.coarse();
        assert_eq!(buckets.iter().sum::<u64>(), 100);
        assert_eq!(sum, 5_050_000_000);
        let within = |edge: u64| {
            let edges = EDGES.iter().take_while(|it| **it <= edge).count();
            buckets[..edges].iter().sum::<u64>()
        };
        assert_eq!(
            (within(1_000_000), within(10_000_000), within(50_000_000)),
            (1, 10, 50),
            "an edge is in its bucket"
        );
    }

    #[test]
    fn the_last_twenty_failing_calls_are_kept_the_newest_first() {
        let record = Record::default();
        for status in 500..530 {
            record.failed(FailedCall::new(Failure::Status(status), Duration::ZERO, Time::ZERO));
        }
        let kept: Vec<_> = record.snapshot().calls().iter().map(|call| call.kind).collect();
        assert_eq!(kept, (510..530).rev().map(Failure::Status).collect::<Vec<_>>());
    }

    #[test]
    fn each_bucket_has_the_latest_trace() {
        let record = Record::default();
        for (n, millis) in [(1, 3), (2, 4), (3, 300)] {
            record.took(Duration::from_millis(millis), Some(trace(n)), Time::from_secs(u64::from(n)));
        }
        let exemplars = record.exemplars().expect("traces");
        let known: Vec<_> = exemplars.iter().flatten().map(|it| (it.trace, it.took.as_millis())).collect();
        assert_eq!(known, [(trace(2), 4), (trace(3), 300)]);
        assert_eq!(Record::default().exemplars(), None);
    }

    #[test]
    fn a_record_stays_small() {
        assert!(size_of::<Record>() <= 2_304, "{}", size_of::<Record>());
        let full = size_of::<Record>() + failures::MOST_BYTES + exemplars::MOST_BYTES;
        assert!(full <= 5 << 10, "{full}");
    }
}
