//! What a throttle counts.

use crate::Priority;
use crate::sync::{AtomicU64, Relaxed};

/// Counters that many threads add to. They only ever grow: a window is the difference of two readings, so there is
/// nothing to clear and nothing to lose.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: [AtomicU64; 4],
    pub(super) throttled: [AtomicU64; 4],
    pub(super) given_back: [AtomicU64; 4],
    pub(super) refused: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counts {
        let all = |counters: &[AtomicU64; 4]| core::array::from_fn(|class| counters[class].load(Relaxed));
        Counts {
            sent: all(&self.sent),
            throttled: all(&self.throttled),
            given_back: all(&self.given_back),
            refused: self.refused.load(Relaxed),
        }
    }

    pub(super) fn write(&self, counts: &Counts) {
        let all = |counters: &[AtomicU64; 4], from: &[u64; 4]| {
            counters.iter().zip(from).for_each(|(counter, count)| counter.store(*count, Relaxed));
        };
        all(&self.sent, &counts.sent);
        all(&self.throttled, &counts.throttled);
        all(&self.given_back, &counts.given_back);
        self.refused.store(counts.refused, Relaxed);
    }
}

/// What a throttle has counted; by class, the lowest [`Priority`] first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counts {
    /// Calls let through.
    pub sent: [u64; 4],
    /// Calls turned away here.
    pub throttled: [u64; 4],
    /// Calls let through and then never made.
    pub given_back: [u64; 4],
    /// Calls that the dependency refused: overload, timeout, no connection.
    pub refused: u64,
}

impl Counts {
    /// Calls of this class that were asked for: those that were made, and those turned away here.
    pub fn requests(&self, class: Priority) -> u64 {
        let class = class as usize;
        self.sent[class].saturating_add(self.throttled[class]).saturating_sub(self.given_back[class])
    }

    /// Calls made and not refused, those in flight among them.
    pub fn accepted(&self) -> u64 {
        let sum = |of: &[u64; 4]| of.iter().sum::<u64>();
        sum(&self.sent).saturating_sub(sum(&self.given_back)).saturating_sub(self.refused)
    }

    pub(super) fn since(&self, base: &Counts) -> Counts {
        let less = |from: &[u64; 4], what: &[u64; 4]| {
            core::array::from_fn(|class| from[class].saturating_sub(what[class]))
        };
        Counts {
            sent: less(&self.sent, &base.sent),
            throttled: less(&self.throttled, &base.throttled),
            given_back: less(&self.given_back, &base.given_back),
            refused: self.refused.saturating_sub(base.refused),
        }
    }
}
