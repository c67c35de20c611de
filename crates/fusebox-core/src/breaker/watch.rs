//! Calls in flight that nobody has a timer for.
//!
//! A blocking call cannot be woken to say that it is overdue. So it leaves its start time in a slot when it is
//! admitted and takes it out when it settles, and any admit, tick or reading that finds the time has come looks at
//! the slots. With more calls in flight than slots, the rest goes unwatched until it settles.
//!
//! # Synchronization
//!
//! `Front::watch` holds the earliest moment at which a slot can become overdue. The caller stores its slot and *then*
//! reads `watch`, lowering it if need be; the looker raises `watch` to never and *then* reads the slots. Both with
//! SeqCst, so one of the two always sees the other: no slot is left behind a `watch` that is too late.

use super::front::Front;
use super::ticket::Ticket;
use crate::Time;
use crate::sync::{AtomicU64, Relaxed, SeqCst, seq_cst, stripe};
use alloc::boxed::Box;

#[cfg(not(loom))]
const SLOTS: usize = 64;
#[cfg(loom)]
const SLOTS: usize = 2;

/// The machine has counted this slot's call as hung.
const FLAGGED: u64 = 1;
/// The low bits of the ticket's epoch: they tell calls apart that began at the moment of a state change.
const EPOCH_SHIFT: u32 = 1;
const EPOCH: u64 = 7;
/// A start time has 60 bits, which are 36 years since the driver's epoch.
const BEGAN_SHIFT: u32 = 4;
const LAST_BEGAN: u64 = (1 << 60) - 2;

/// The slots, each zero or `[began + 1: 60 | epoch: 3 | FLAGGED: 1]`.
#[derive(Debug)]
pub(super) struct Watch {
    slots: Box<[AtomicU64]>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Leaves the ticket's start in a free slot. `None` if there is none.
    #[inline(always)]
    pub(super) fn enter(&self, front: &Front, ticket: &Ticket) -> Option<u8> {
        let began = ticket.began.as_nanos().min(LAST_BEGAN);
        let word = (began + 1) << BEGAN_SHIFT | (ticket.epoch() & EPOCH) << EPOCH_SHIFT;
        // Eight slots share a cache line: threads begin on lines of their own.
        let start = stripe().wrapping_mul(9);
        let slot = (0..SLOTS).map(|step| start.wrapping_add(step) % SLOTS).find(|&slot| {
            let slot = &self.slots[slot];
            // ORDERING: SeqCst; see the module. The first load only saves a failing exchange.
            slot.load(Relaxed) == 0 && slot.compare_exchange(0, word, SeqCst, Relaxed).is_ok()
        })?;
        let due = began.saturating_add(front.slow());
        seq_cst();
        // ORDERING: SeqCst; see the module.
        if due < front.watch.load(SeqCst) {
            front.watch.fetch_min(due, SeqCst);
        }
        Some(slot as u8)
    }

    /// Empties a slot; whether its call was counted as hung.
    pub(super) fn leave(&self, slot: u8) -> bool {
        // ORDERING: SeqCst; see the module.
        self.slots[usize::from(slot)].swap(0, SeqCst) & FLAGGED != 0
    }

    /// Flags the calls of `epoch`, which began at `since`, that have been in flight for `slow` nanoseconds, and answers how
    /// many are new. Called under the machine's lock, after `Front::clear_wake`.
    pub(super) fn look(&self, front: &Front, epoch: u64, since: Time, slow: u64, now: Time) -> u32 {
        let (mut hung, mut next) = (0, u64::MAX);
        seq_cst();
        for slot in &self.slots {
            // ORDERING: SeqCst; see the module.
            let word = slot.load(SeqCst);
            let began = Time::from_nanos((word >> BEGAN_SHIFT).saturating_sub(1));
            let foreign = word >> EPOCH_SHIFT & EPOCH != epoch & EPOCH || began < since;
            if word == 0 || word & FLAGGED != 0 || foreign {
                continue;
            }
            let due = began.plus_nanos(slow);
            if now < due {
                next = next.min(due.as_nanos());
            // ORDERING: SeqCst; a slot that was emptied since is left alone.
            } else if slot.compare_exchange(word, word | FLAGGED, SeqCst, Relaxed).is_ok() {
                hung += 1;
            }
        }
        front.wake_at(Time::from_nanos(next));
        hung
    }
}
