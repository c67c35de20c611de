//! The places themselves: one word that says how much is taken, and whether somebody waits.
//!
//! # Synchronization
//!
//! A call enters with one exchange of the word and leaves with one subtraction from it. `WAITERS` is raised and
//! lowered under the line's lock only. While it is up, nobody enters but under that lock, and whoever leaves takes the
//! lock afterwards. So who parks raises the flag first and then looks whether there is room: a place that is given
//! back before is seen in the word, and one that is given back after comes by the lock. None is given back unseen.
//! With the flag up, what is taken only falls, except under the lock.

use crate::Priority;
use crate::sync::{Acquire, AtomicU64, Relaxed, Release};

/// The word: `[WAITERS: 1 | admitted: 15 | used: 48]`.
const USED: u64 = (1 << 48) - 1;
const ONE_ADMITTED: u64 = 1 << 48;
/// All the bits of the count. A word of this size or more is for the lock: the count is full, or somebody waits.
const ADMITTED: u64 = 0x7FFF << 48;
const WAITERS: u64 = 1 << 63;
/// One of so many calls has its time taken.
pub(super) const SAMPLE: u64 = 16;

/// Lines of two sizes are in use; 128 bytes keep the word alone on both.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Places {
    word: AtomicU64,
    /// The most that was taken at once since the last [`Places::turn_peak`].
    peak: AtomicU64,
    /// Up to where each priority may fill, the last being the capacity. Written under the line's lock.
    limits: [AtomicU64; 4],
    /// All ones where keys count, else zero.
    keyed: AtomicU64,
    /// Whether an adaptive limit wants to hear of each call. It stands with the word, which whoever leaves has at hand.
    learns: bool,
}

impl Places {
    pub(super) fn new() -> Self {
        Places {
            word: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            limits: [(); 4].map(|()| AtomicU64::new(0)),
            keyed: AtomicU64::new(0),
            learns: false,
        }
    }

    /// Takes `weight` if there is room and nobody to ask; whether the call is one whose time is taken.
    #[inline(always)]
    pub(super) fn enter(&self, weight: u64, key: u64, priority: Priority) -> Option<bool> {
        if key & self.keyed.load(Relaxed) != 0 {
            return None;
        }
        let seen = self.take(weight, ONE_ADMITTED, priority, ADMITTED)?;
        Some((seen / ONE_ADMITTED).is_multiple_of(SAMPLE))
    }

    /// Takes `weight` if there is room, whoever waits. The lock is held, and its holder counts the call.
    pub(super) fn enter_locked(&self, weight: u64, priority: Priority) -> bool {
        self.take(weight, 0, priority, u64::MAX).is_some()
    }

    /// The word as it was, if it was below `ceiling` and there was room.
    #[inline(always)]
    fn take(&self, weight: u64, count: u64, priority: Priority, ceiling: u64) -> Option<u64> {
        let limit = self.limits[priority as usize].load(Relaxed);
        let mut seen = self.word.load(Relaxed);
        loop {
            let used = seen & USED;
            if seen >= ceiling || !fits(used, weight, limit) {
                return None;
            }
            // ORDERING: Acquire, with the Release of `leave`: what was done in a place is seen in the same place later.
            match self.word.compare_exchange_weak(seen, seen + weight + count, Acquire, Relaxed) {
                Ok(_) => {
                    self.raise_peak(used + weight);
                    return Some(seen);
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Gives `weight` back. What was taken before, and whether somebody waits: then the lock must be taken next.
    #[inline(always)]
    pub(super) fn leave(&self, weight: u64) -> (u64, bool) {
        // ORDERING: Release, with the Acquire of `take`.
        let before = self.word.fetch_sub(weight, Release);
        debug_assert!(before & USED >= weight, "a place was left twice");
        (before & USED, before & WAITERS != 0)
    }

    /// Takes `weight` for somebody who waits, if there is room; the lock is held and the flag is up.
    pub(super) fn grant(&self, weight: u64, priority: Priority) -> bool {
        let used = self.used();
        let room = fits(used, weight, self.limit(priority));
        if room {
            // ORDERING: Acquire, as in `take`; the lock hands it on to the one who waits.
            let before = self.word.fetch_add(weight, Acquire) & USED;
            self.raise_peak(before + weight);
        }
        room
    }

    /// Raises or lowers the flag; the lock is held.
    pub(super) fn flag(&self, waiters: bool) {
        if waiters {
            self.word.fetch_or(WAITERS, Relaxed);
        } else {
            self.word.fetch_and(!WAITERS, Relaxed);
        }
    }

    /// Whether nobody can enter without the lock because the word can count no further.
    pub(super) fn is_count_full(&self) -> bool {
        self.word.load(Relaxed) & ADMITTED == ADMITTED
    }

    /// Takes the count of the admitted out of the word; the lock is held.
    pub(super) fn fold(&self) -> u64 {
        let admitted = self.word.load(Relaxed) & ADMITTED;
        self.word.fetch_sub(admitted, Relaxed);
        admitted / ONE_ADMITTED
    }

    /// Whether `weight` would fit beside what is taken now.
    pub(super) fn has_room(&self, weight: u64, priority: Priority) -> bool {
        fits(self.used(), weight, self.limit(priority))
    }

    /// From now on every call is heard of.
    pub(super) fn learn(&mut self) {
        self.learns = true;
    }

    #[inline(always)]
    pub(super) fn learns(&self) -> bool {
        self.learns
    }

    pub(super) fn used(&self) -> u64 {
        self.word.load(Relaxed) & USED
    }

    pub(super) fn limit(&self, priority: Priority) -> u64 {
        self.limits[priority as usize].load(Relaxed)
    }

    pub(super) fn capacity(&self) -> u64 {
        self.limit(Priority::Critical)
    }

    pub(super) fn set_limit(&self, priority: Priority, limit: u64) {
        self.limits[priority as usize].store(limit, Relaxed);
    }

    pub(super) fn set_keyed(&self, keyed: bool) {
        self.keyed.store(if keyed { u64::MAX } else { 0 }, Relaxed);
    }

    /// The most that was taken at once since the last turn.
    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Relaxed).max(self.used())
    }

    /// Begins a new peak; the old one.
    pub(super) fn turn_peak(&self) -> u64 {
        self.peak.swap(self.used(), Relaxed)
    }

    #[inline(always)]
    fn raise_peak(&self, used: u64) {
        if used > self.peak.load(Relaxed) {
            self.peak.fetch_max(used, Relaxed);
        }
    }
}

/// Whether `weight` fits beside `used`. What is heavier than the limit fits where nothing else is.
#[inline(always)]
pub(super) const fn fits(used: u64, weight: u64, limit: u64) -> bool {
    used + weight <= limit || used == 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_refused_room_before_it_overflows_and_none_is_lost() {
        let places = Places::new();
        places.set_limit(Priority::Normal, 1);
        let mut folded = 0;
        for _ in 0..100_000 {
            if places.enter(1, 0, Priority::Normal).is_none() {
                folded += places.fold();
                assert!(places.enter(1, 0, Priority::Normal).is_some());
            }
            places.leave(1);
        }
        assert_eq!(folded + places.fold(), 100_000);
        assert_eq!(places.used(), 0);
    }
}
