//! The lock-free front: what a fast success or a rejection touches.
//!
//! # Synchronization
//!
//! Three words carry the protocol.
//!
//! * `state` is `[epoch: 40 | zero: 15 | lenient | flags: 8]`. A zero low byte means *plain closed*: admit without another
//!   look. It is stored last in every transition, with Release, so who reads a state also reads what belongs to it.
//! * `due` is when the state wants the machine's attention: the bucket's end, the end of the wait, the earliest
//!   probe lease. Stored before `state`, and after the old state is marked as changing: a rejection, which tells `due`
//!   to its caller, reads `state` again after it and trusts the two only when nothing has changed.
//! * each cell's `ok` is `[epoch tag: 15 | ATTEND: 1 | count: 48]`: the fast successes of the epoch. A success adds
//!   one and looks at what it added to. The old value's tag tells whether the add landed in the ticket's epoch, and
//!   `ATTEND` whether the machine asked to see the next success.
//!
//! A transition, under the machine's lock: swap every `ok` to the new tag and zero, archive what was there, store
//! `due`, store `state`. A success that races with it lands either before the swap (archived, in time) or after (it
//! sees the foreign tag and is late). Nothing ever subtracts from `ok`: a borrow would reach the tag.
//!
//! `ATTEND` is set with `fetch_or` *before* the counts are read. So a success either is in the count that was read,
//! or sees the flag and comes to the machine. One word, not two: with a flag beside the count, both sides can miss.

use super::cause::State;
use super::settings::Settings;
use crate::Time;
use crate::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release, SeqCst, fence, stripe};

/// Stripes of the success counter, a power of two: enough to keep a few cores off each other's cache lines.
const STRIPES: usize = if cfg!(loom) { 2 } else { 4 };

/// All probe slots are taken: reject without the lock.
pub(super) const FULL: u64 = 4;
/// An operator holds it open.
pub(super) const FORCED: u64 = 8;
/// An operator has turned it off.
pub(super) const DISABLED: u64 = 16;
/// The state is being replaced: `due` may be the next one's already.
const CHANGING: u64 = 32;
/// It has recovered and lets a growing share of its calls through.
pub(super) const RAMP: u64 = 64;
/// Not everyone is refused: it shadows, or is enforced for a share of the calls. Never beside a zero low byte, so plain
/// closed stays plain.
pub(super) const LENIENT: u64 = 256;
const STATE: u64 = 3;
pub(super) const FLAGS: u64 = 0xff;
pub(super) const EPOCH_SHIFT: u32 = 24;

pub(super) const COUNT: u64 = (1 << 48) - 1;
pub(super) const ATTEND: u64 = 1 << 48;
const TAG_SHIFT: u32 = 49;

/// The part of an epoch that a cell carries. It wraps after 32,768 state changes; an add would have to be under way
/// through all of them to be taken for a present one.
#[inline(always)]
pub(super) const fn tag(epoch: u64) -> u64 {
    epoch << TAG_SHIFT
}

/// Successes of one stripe, and counters that belong to no epoch.
#[repr(align(64))]
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) ok: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) recovering: AtomicU64,
    pub(super) would_reject: AtomicU64,
    pub(super) unenforced: AtomicU64,
}

/// The words that every call reads.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Front {
    state: AtomicU64,
    due: AtomicU64,
    slow: AtomicU64,
    /// When an admit should let the machine look for hung calls.
    pub(super) watch: AtomicU64,
    /// The share of the calls, in parts per million, that it is enforced for; 0 when it shadows. Read where `LENIENT` is
    /// seen, for the most part.
    share: AtomicU64,
    /// Deals calls without a key out to the two sides of the share.
    dealt: AtomicU64,
    cells: [Cell; STRIPES],
}

impl Front {
    pub(super) fn new(settings: &Settings, due: Time) -> Self {
        Front {
            state: AtomicU64::new(0),
            due: AtomicU64::new(due.as_nanos()),
            slow: AtomicU64::new(settings.slow),
            watch: AtomicU64::new(u64::MAX),
            share: AtomicU64::new(settings.share()),
            dealt: AtomicU64::new(0),
            cells: Default::default(),
        }
    }

    #[inline(always)]
    pub(super) fn state(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release in `publish`; who sees an epoch sees its `due` and its tags.
        self.state.load(Acquire)
    }

    /// The state that callers experience.
    #[inline]
    pub(super) fn shown(&self) -> State {
        let word = self.state();
        if word & LENIENT != 0 && self.shadows() { State::Closed } else { state_of(word) }
    }

    /// Whether nobody is refused.
    #[inline]
    pub(super) fn shadows(&self) -> bool {
        self.share.load(Relaxed) == 0
    }

    /// Whether a call with this key is refused where it should be. Deals out a call without one.
    pub(super) fn enforces(&self, key: u64) -> bool {
        let share = self.share.load(Relaxed);
        if key != 0 {
            return in_share(key, share);
        }
        let before = self.dealt.fetch_add(share, Relaxed) % WHOLE;
        before + share >= WHOLE
    }

    pub(super) fn set_share(&self, share: u64) {
        self.share.store(share, Relaxed);
    }

    /// Whether a `due` that was read after this state word belongs to it.
    #[inline(always)]
    pub(super) fn is_still(&self, word: u64) -> bool {
        word & CHANGING == 0 && self.state() == word
    }

    #[inline(always)]
    pub(super) fn due(&self) -> Time {
        // ORDERING: Acquire pairs with the fence in `publish`: who reads a new `due` finds the state word changed.
        Time::from_nanos(self.due.load(Acquire))
    }

    #[inline(always)]
    pub(super) fn slow(&self) -> u64 {
        self.slow.load(Relaxed)
    }

    pub(super) fn set_slow(&self, nanos: u64) {
        self.slow.store(nanos, Relaxed);
    }

    #[inline(always)]
    pub(super) fn watch_due(&self) -> Time {
        Time::from_nanos(self.watch.load(Relaxed))
    }

    /// Lets the machine look for hung calls at `at`, if not earlier.
    pub(super) fn wake_at(&self, at: Time) {
        // ORDERING: SeqCst; see `watch.rs`.
        self.watch.fetch_min(at.as_nanos(), SeqCst);
    }

    /// Starts a new look: answers nothing, lets every later `wake_at` count.
    pub(super) fn clear_wake(&self) {
        // ORDERING: SeqCst; see `watch.rs`.
        self.watch.store(u64::MAX, SeqCst);
    }

    #[inline(always)]
    pub(super) fn cell(&self) -> &Cell {
        &self.cells[stripe() % STRIPES]
    }

    /// Adds one fast success; answers the word it was added to.
    #[inline(always)]
    pub(super) fn pass(&self) -> u64 {
        // ORDERING: AcqRel puts the add before or after the machine's swap and `fetch_or` on the same word, and makes
        // what the machine did before those visible to the one who sees their effect.
        self.cell().ok.fetch_add(1, AcqRel)
    }

    /// Fast successes in the cells.
    pub(super) fn passed(&self) -> u64 {
        // ORDERING: Acquire, so that this read is not moved before a preceding `ask`.
        self.cells.iter().map(|cell| cell.ok.load(Acquire) & COUNT).sum()
    }

    /// Asks the next success to come to the machine, or takes that back.
    pub(super) fn ask(&self, yes: bool) {
        for cell in &self.cells {
            // ORDERING: AcqRel; see `pass`.
            if yes {
                cell.ok.fetch_or(ATTEND, AcqRel)
            } else {
                cell.ok.fetch_and(!ATTEND, AcqRel)
            };
        }
    }

    /// Fences the cells off for a new epoch; answers the successes of the old one.
    pub(super) fn fence(&self, epoch: u64) -> u64 {
        // ORDERING: AcqRel; see `pass`.
        self.cells.iter().map(|cell| cell.ok.swap(tag(epoch), AcqRel) & COUNT).sum()
    }

    /// Makes a state visible, with its due moment first. Between the two, the old state is marked as changing.
    pub(super) fn publish(&self, epoch: u64, flags: u64, due: Time) {
        // ORDERING: Relaxed; none but the holder of the machine's lock stores here. The fence puts the mark before `due`.
        self.state.store(self.state.load(Relaxed) | CHANGING, Relaxed);
        fence(Release);
        self.due.store(due.as_nanos(), Relaxed);
        // ORDERING: Release pairs with the Acquire in `state`: `due` and the fenced cells are seen with it.
        self.state.store(epoch << EPOCH_SHIFT | flags, Release);
    }

    /// Moves the due moment within a state.
    pub(super) fn set_due(&self, due: Time) {
        self.due.store(due.as_nanos(), Relaxed);
    }

    pub(super) fn sum(&self, counter: fn(&Cell) -> &AtomicU64) -> u64 {
        self.cells.iter().map(|cell| counter(cell).load(Relaxed)).sum()
    }
}

/// Everyone, in parts per million.
pub(super) const WHOLE: u64 = 1_000_000;

/// Whether a key is in a share of that many parts per million: the same keys always, and a larger share keeps them. The
/// key is mixed first (the finalizer of SplitMix64), so keys that count up are spread too.
pub(super) const fn in_share(key: u64, share: u64) -> bool {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((mixed as u128 * WHOLE as u128) >> 64) < share as u128
}

/// The state in a state word.
pub(super) const fn state_of(word: u64) -> State {
    match word & STATE {
        0 => State::Closed,
        1 => State::Open,
        _ => State::HalfOpen,
    }
}
