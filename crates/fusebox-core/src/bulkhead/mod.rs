//! So much at once and no more, so that one dependency's trouble does not become everybody's.
//!
//! A slow dependency keeps its callers, and whatever they hold, for longer. Without a bound it ends up with all of
//! them. A [`Bulkhead`] gives out places; who finds none waits a little, in a bounded queue, or is refused at once. The
//! queue holds `core::task::Waker`s, so blocking, async and simulated callers park alike.
//!
//! It counts whatever [`Ask::weight`] counts: calls, or bytes in flight. Priorities decide who is served and who is shed
//! ([`Config::shares`]), and one key's share may be bounded ([`Config::max_per_key`]). What is heavier than the whole
//! capacity goes alone: it waits until nothing else is in, and nothing comes in beside it.
//!
//! Entering and leaving is one atomic operation each while nobody waits.
//!
//! # Cancel safety
//!
//! Every [`Place`] must be left and every [`Parked`] be resumed to its end or cancelled, once. Whenever that happens,
//! the capacity is whole: a place that was granted to a call which gives up is handed on.

mod advice;
mod config;
mod counts;
mod keys;
mod line;
mod moving;
mod places;
mod snapshot;
mod wakes;

pub use advice::{Advice, Evidence, Finding, recommend_size};
pub use config::{Config, MAX_CAPACITY, PerKey, QueueOrder, Settings};
pub use snapshot::{Refused, Samples, Snapshot};

use crate::adaptive::SharedLimit;
use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Ask, Failure, Outcome, Rejection, Time};
use core::task::Waker;
use line::{Line, Rank};
use places::Places;
use wakes::Wakes;

/// The limit on what one dependency may hold at once.
///
/// ```
/// # use fusebox_core::{Ask, Outcome, Time, bulkhead::{Bulkhead, Config, Entry}};
/// # use std::task::Waker;
/// # fn main() -> Result<(), Vec<fusebox_core::breaker::ConfigError>> {
/// let bulkhead = Bulkhead::new(Config { max_concurrent: 1, ..Config::default() }.check()?);
/// let (now, never) = (Time::ZERO, Time::NEVER);
/// let Entry::Placed(first) = bulkhead.enter(Ask::default(), now, never, Waker::noop()) else { panic!("empty") };
/// let Entry::Parked(second) = bulkhead.enter(Ask::default(), now, never, Waker::noop()) else { panic!("full") };
/// assert_eq!(second.until(), Time::from_millis(100));
/// bulkhead.leave(first, Outcome::Success, now);
/// // The second's waker has been called.
/// assert!(matches!(bulkhead.resume(second, now, Waker::noop()), Entry::Placed(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    places: Places,
    line: Mutex<Line>,
    waker_panics: AtomicU64,
    /// What moves the capacity, where something does.
    adaptive: Option<SharedLimit>,
}

/// What came of asking for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Entry {
    /// Here it is. It must be left.
    Placed(Place),
    /// Not yet. Resume when the waker is called, and at [`Parked::until`]; or cancel.
    Parked(Parked),
    /// No.
    Refused(Rejection),
}

/// A place, to be left exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// `[SAMPLE: 1 | KEYED: 1 | zero: 14 | weight: 48]`.
    marks: u64,
    key: u64,
    since: Time,
}

/// A stand in the queue, to be resumed until it is something else, or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    rank: Rank,
    until: Time,
}

impl Parked {
    /// When the wait is over, one way or the other.
    pub fn until(self) -> Time {
        self.until
    }
}

/// The call's time is taken.
const SAMPLE: u64 = 1 << 63;
/// The place is held against the key's account.
const KEYED: u64 = 1 << 62;
const WEIGHT: u64 = (1 << 48) - 1;

impl Place {
    #[inline(always)]
    fn new(weight: u64, key: u64, since: Time, is_keyed: bool, is_sample: bool) -> Self {
        let marks = weight | u64::from(is_keyed) << 62 | u64::from(is_sample) << 63;
        Place { marks, key, since }
    }

    /// How much of the capacity it takes.
    #[inline(always)]
    pub fn weight(&self) -> u64 {
        self.marks & WEIGHT
    }

    fn is_keyed(&self) -> bool {
        self.marks & KEYED != 0
    }

    fn is_sample(&self) -> bool {
        self.marks & SAMPLE != 0
    }
}

impl Bulkhead {
    /// A bulkhead with all its places free.
    pub fn new(settings: Settings) -> Self {
        let places = Places::new();
        let line = Mutex::new(Line::new(settings, &places));
        Bulkhead { places, line, waker_panics: AtomicU64::new(0), adaptive: None }
    }

    /// Asks for a place, to be waited for until `latest` at most. A weight of zero takes one.
    ///
    /// `waker` is called when there is an answer to fetch with [`resume`](Self::resume); it is cloned only when the
    /// call has to wait.
    ///
    /// # Errors
    ///
    /// [`Entry::Refused`], with [`BulkheadFull`](crate::Reason::BulkheadFull),
    /// [`BulkheadTimeout`](crate::Reason::BulkheadTimeout), [`Shed`](crate::Reason::Shed) or
    /// [`KeyFull`](crate::Reason::KeyFull). When a place will come free is never known, so `retry_at` is
    /// [`Time::NEVER`].
    #[inline]
    pub fn enter(&self, ask: Ask, now: Time, latest: Time, waker: &Waker) -> Entry {
        let weight = ask.weight.clamp(1, MAX_CAPACITY);
        match self.places.enter(weight, ask.key, ask.priority) {
            Some(is_sample) => Entry::Placed(Place::new(weight, ask.key, now, false, is_sample)),
            None => self.enter_line(Ask { weight, ..ask }, now, latest, waker),
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_line(&self, ask: Ask, now: Time, latest: Time, waker: &Waker) -> Entry {
        self.with_waker(waker, |line, own, wakes| line.enter(&self.places, (ask, now, latest), own, wakes))
    }

    /// Asks what has come of waiting: when the waker was called, and at [`Parked::until`]. `waker` takes the place of
    /// the one before. One that has ended already is refused.
    pub fn resume(&self, parked: Parked, now: Time, waker: &Waker) -> Entry {
        self.with_waker(waker, |line, own, wakes| line.resume(&self.places, (parked, now, waker), own, wakes))
    }

    /// Gives up waiting. A place that was granted meanwhile is handed on.
    pub fn cancel(&self, parked: Parked, now: Time) {
        self.with_line(|line, wakes| line.cancel(&self.places, parked, now, wakes));
    }

    /// Gives a place back, or hands it to whoever is first in the line.
    #[inline]
    pub fn leave(&self, place: Place, outcome: Outcome, now: Time) {
        let (before, is_awaited) = self.places.leave(place.weight());
        if is_awaited || place.marks & (SAMPLE | KEYED) != 0 {
            self.leave_line(place, before, outcome, now);
        }
        if self.places.learns() {
            self.learn(place, before, outcome, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_line(&self, place: Place, before: u64, outcome: Outcome, now: Time) {
        let timed_out = outcome == Outcome::Failure(Failure::Timeout);
        self.with_line(|line, wakes| line.left(&self.places, (place, before), timed_out, now, wakes));
    }

    /// Changes the capacity, to one place at least. After growing, those who wait come in at once; after shrinking,
    /// nobody comes in until enough have left. An [adaptive](Self::adaptive) one goes back to its
    /// limit when that moves next.
    pub fn set_capacity(&self, places: u64) {
        self.with_line(|line, wakes| line.set_capacity(places, &self.places, wakes));
    }

    /// Whether a limit moves its capacity.
    pub fn is_adaptive(&self) -> bool {
        self.adaptive.is_some()
    }

    /// The capacity now.
    pub fn capacity(&self) -> u64 {
        self.places.capacity()
    }

    /// Changes everything that can be set; the capacity becomes that of the settings, and stays what it is where an
    /// adaptive limit moves it. Who waits already keeps its turn
    /// and the end of its patience.
    pub fn reconfigure(&self, settings: Settings) {
        let max_concurrent = settings.config().max_concurrent;
        let apply = |capacity| {
            let mut wakes = Wakes::default();
            lock(&self.line).reconfigure(settings, capacity, &self.places, &mut wakes);
            wakes
        };
        let wakes = match &self.adaptive {
            Some(limit) => limit.with_limit(apply),
            None => apply(max_concurrent),
        };
        wakes.send(&self.waker_panics);
    }

    /// The settings it works by.
    pub fn settings(&self) -> Settings {
        lock(&self.line).settings().clone()
    }

    /// The state now and the counts since the beginning.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let snapshot = self.with_line(|line, wakes| line.snapshot(&self.places, now, wakes));
        let adaptive = self.adaptive.as_ref().map(SharedLimit::snapshot);
        Snapshot { waker_panics: self.waker_panics.load(Relaxed), adaptive, ..snapshot }
    }

    /// Wakes only after the lock is released.
    fn with_line<R>(&self, change: impl FnOnce(&mut Line, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let changed = change(&mut lock(&self.line), &mut wakes);
        wakes.send(&self.waker_panics);
        changed
    }

    /// Runs `ask` once more with a waker of its own when it needs one: cloning runs foreign code, outside the lock.
    fn with_waker<R>(
        &self,
        waker: &Waker,
        ask: impl Fn(&mut Line, &mut Option<Waker>, &mut Wakes) -> Option<R>,
    ) -> R {
        let mut own = None;
        loop {
            if let Some(answer) = self.with_line(|line, wakes| ask(line, &mut own, wakes)) {
                return answer;
            }
            own = Some(waker.clone());
        }
    }
}

#[cfg(all(test, loom))]
mod loom_protocols;
#[cfg(all(test, not(loom)))]
mod tests;
