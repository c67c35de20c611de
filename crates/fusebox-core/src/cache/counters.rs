//! What a cache counts.

use crate::sync::{AtomicU64, Relaxed};

/// Something a cache counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A look found a fresh answer.
    HitFresh,
    /// A look found a stale answer.
    HitStale,
    /// A look found nothing, or what had expired.
    Miss,
    /// An answer was stored.
    Stored,
    /// An answer was not kept: too heavy, private, forbidden.
    NotKept,
    /// A stale entry's refresh began.
    Refresh,
    /// A refresh ended without an answer to store. The old one stays.
    RefreshFailed,
    /// An entry was thrown out to make room.
    Evicted,
}

const COUNTS: usize = Count::Evicted as usize + 1;

/// A cache's counters, since it was made.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// Counts one.
    #[inline]
    pub fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Relaxed);
    }

    /// The counters, and what the store says of itself.
    pub fn snapshot(&self, entries: u64, bytes: u64, max_bytes: u64) -> Snapshot {
        let of = |what: Count| self.0[what as usize].load(Relaxed);
        Snapshot {
            entries,
            bytes,
            max_bytes,
            hits_fresh: of(Count::HitFresh),
            hits_stale: of(Count::HitStale),
            misses: of(Count::Miss),
            stored: of(Count::Stored),
            not_kept: of(Count::NotKept),
            refreshes: of(Count::Refresh),
            refresh_failures: of(Count::RefreshFailed),
            evictions: of(Count::Evicted),
            ..Snapshot::default()
        }
    }
}

/// A cache at one moment. Counters never step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// Entries held, stale ones and ones that have expired unseen included.
    pub entries: u64,
    /// What they weigh, in bytes.
    pub bytes: u64,
    /// What they may weigh.
    pub max_bytes: u64,
    /// Looks that found a fresh answer.
    pub hits_fresh: u64,
    /// Looks that found a stale answer.
    pub hits_stale: u64,
    /// Looks that found nothing, or what had expired.
    pub misses: u64,
    /// Answers stored.
    pub stored: u64,
    /// Answers not kept: too heavy, private, forbidden.
    pub not_kept: u64,
    /// Refreshes begun.
    pub refreshes: u64,
    /// Refreshes without an answer to store; the old one stayed.
    pub refresh_failures: u64,
    /// Entries thrown out to make room.
    pub evictions: u64,
    /// Looks that found an answer in a second level. These are misses of the first.
    pub l2_hits: u64,
    /// Looks that found nothing there, or did not ask because its circuit was open.
    pub l2_misses: u64,
    /// Looks and writes that a second level failed: down, slow, or with bytes that are no answer.
    pub l2_errors: u64,
    /// Answers that were not written there: too many waited, or its circuit was open.
    pub l2_dropped: u64,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_told_in_its_own_place() {
        let counters = Counters::default();
        let all = [
            Count::HitFresh,
            Count::HitStale,
            Count::Miss,
            Count::Stored,
            Count::NotKept,
            Count::Refresh,
            Count::RefreshFailed,
            Count::Evicted,
        ];
        for (times, what) in all.into_iter().enumerate() {
            (0..=times).for_each(|_| counters.count(what));
        }
        let expected = Snapshot {
            entries: 7,
            bytes: 8,
            max_bytes: 9,
            hits_fresh: 1,
            hits_stale: 2,
            misses: 3,
            stored: 4,
            not_kept: 5,
            refreshes: 6,
            refresh_failures: 7,
            evictions: 8,
            ..Snapshot::default()
        };
        assert_eq!(counters.snapshot(7, 8, 9), expected);
    }
}
