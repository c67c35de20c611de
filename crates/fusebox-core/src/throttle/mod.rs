//! Not sending what would be refused anyway.
//!
//! A dependency in overload spends work on each call it refuses, and at some load it does nothing else. The callers
//! can know: each compares what it asked for in the last two minutes with what was taken, and turns away at random, on
//! its own side, what goes beyond a multiple of that. The rule is *client-side throttling* of Google's *Site
//! Reliability Engineering*, chapter 21, "Handling Overload":
//!
//! ```text
//! chance of rejection = max(0, (requests − K × accepts) / (requests + 1))
//! ```
//!
//! Four decisions are this module's own.
//!
//! * **A call in flight counts as accepted** until it is settled as refused. The other way round, twenty calls at
//!   once after a start would be twenty requests without an accept.
//! * **What counts as refused** is what a dependency in overload does: it says so
//!   ([`Overloaded`](Failure::Overloaded)), it does not answer in time, or it takes no connection. Every other outcome
//!   is an accept: a wrong answer is an answer, and a caller who left says nothing.
//! * **Classes.** `K × accepts` is room for all, and it is given to the highest class first: the requests of a class
//!   are those of its own and of all above it. So the lowest is throttled first, and [`Critical`](Priority::Critical)
//!   only when critical calls alone are more than `K` times what the dependency takes. The book keeps the classes' counts
//!   apart, which shields the critical ones only where the dependency itself refuses the others first.
//! * **A few always go through**, a tenth by default, for only they can find out that the dependency has recovered.
//!   The formula alone lets one call through in a window when nothing is accepted.

mod config;
mod tally;

pub use config::{Config, Settings};
pub use tally::Counts;

use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Failure, Outcome, Priority, Ratio, Reason, Rejection, SharedRng, Time};
use config::MILLION;
use tally::Tally;

/// Slots of the sliding window.
const SLOTS: usize = 12;

/// A client-side throttle, shared by all calls of one dependency.
///
/// ```
/// # use fusebox_core::{Failure, Outcome, Priority, Rng, SharedRng, Time, throttle::{Config, Throttle}};
/// # fn main() -> Result<(), Vec<fusebox_core::breaker::ConfigError>> {
/// let throttle = Throttle::new(Config { minimum_requests: 10, ..Config::default() }.check()?);
/// let (rng, now) = (SharedRng::new(Rng::seeded(1)), Time::from_secs(1));
/// let timeout = Outcome::Failure(Failure::Timeout);
/// for _ in 0..10 {
///     assert!(throttle.admit(Priority::Normal, &rng, now).is_ok());
///     throttle.settle(timeout, now);
/// }
/// // (10 − 2 × 0) / (10 + 1) is more than nine in ten, which is the most.
/// assert_eq!(throttle.chance(Priority::Normal, now).as_f64(), 0.9);
/// # Ok(())
/// # }
/// ```
///
/// A call costs one atomic addition and no lock while no more is refused than it bears.
#[derive(Debug)]
pub struct Throttle {
    settings: Settings,
    /// Nanoseconds of one slot.
    slot: u64,
    /// Written by every call; the rest is only read by most, so it has cache lines of its own.
    live: Live,
    /// When the current slot ends.
    due: AtomicU64,
    /// Up to so many refusals since the start, no class is turned away. Only a slow look at all the counts raises it; a new
    /// slot takes it back.
    calm: AtomicU64,
    /// What had been counted when the window began.
    base: Tally,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Live(Tally);

/// What had been counted at the beginning of each slot.
#[derive(Debug, Default)]
struct Marks {
    /// The current slot, counted from the epoch.
    slot: u64,
    marks: [Counts; SLOTS],
}

impl Throttle {
    /// A throttle that has seen no call.
    pub fn new(settings: Settings) -> Self {
        Throttle {
            slot: settings.window_nanos() / SLOTS as u64,
            settings,
            live: Live::default(),
            due: AtomicU64::new(0),
            calm: AtomicU64::new(0),
            base: Tally::default(),
            marks: Mutex::new(Marks::default()),
        }
    }

    /// Asks for a call. What is let through is to be [settled](Self::settle), or [given back](Self::give_back) if it
    /// was never made.
    ///
    /// # Errors
    ///
    /// [`Reason::Throttled`], with the moment when the oldest slot leaves the window and the chances change.
    #[inline]
    pub fn admit(&self, priority: Priority, rng: &SharedRng, now: Time) -> Result<(), Rejection> {
        self.age(now);
        let live = &self.live.0;
        if live.refused.load(Relaxed) > self.calm.load(Relaxed) && self.turns_away(priority, rng) {
            live.throttled[priority as usize].fetch_add(1, Relaxed);
            return Err(Rejection::of(Reason::Throttled, Time::from_nanos(self.due.load(Relaxed))));
        }
        live.sent[priority as usize].fetch_add(1, Relaxed);
        Ok(())
    }

    /// Says what came of a call that was let through.
    #[inline]
    pub fn settle(&self, outcome: Outcome, now: Time) {
        if is_refusal(outcome) {
            self.age(now);
            self.live.0.refused.fetch_add(1, Relaxed);
        }
    }

    /// Says that a call that was let through was never made, because something after the throttle turned it away. It
    /// counts as no request then.
    pub fn give_back(&self, priority: Priority) {
        self.live.0.given_back[priority as usize].fetch_add(1, Relaxed);
    }

    /// The chance that a call of this class is turned away now.
    pub fn chance(&self, priority: Priority, now: Time) -> Ratio {
        self.age(now);
        self.chance_in(&self.window(), priority)
    }

    /// The counts of the window, those since the start, and the chances now.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.age(now);
        let window = self.window();
        let chances = Priority::ALL.map(|(_, priority)| self.chance_in(&window, priority));
        Snapshot { window, totals: self.live.0.read(), chances }
    }

    #[cold]
    fn turns_away(&self, priority: Priority, rng: &SharedRng) -> bool {
        let base = self.base.read();
        let window = self.live.0.read().since(&base);
        if let Some(refusals) = self.bearable(&window) {
            self.calm.store(base.refused + refusals, Relaxed);
            return false;
        }
        let chance = u64::from(self.chance_in(&window, priority).ppm());
        chance > 0 && rng.up_to(MILLION - 1) < chance
    }

    fn chance_in(&self, window: &Counts, priority: Priority) -> Ratio {
        let requests = |class| window.requests(class);
        let all = Priority::ALL.map(|(_, class)| requests(class)).iter().sum::<u64>();
        if window.refused == 0 || all < self.settings.config().minimum_requests {
            return Ratio::ZERO;
        }
        let these = Priority::ALL.iter().map(|(_, class)| *class).filter(|class| *class >= priority);
        let these: u64 = these.map(requests).sum();
        let room = self.settings.room(window.accepted());
        let excess = these.saturating_mul(MILLION).saturating_sub(room);
        let chance = excess / (requests(priority) + 1);
        Ratio::of_ppm(chance).min(self.settings.most())
    }

    /// How many refusals this window could have before any class had a chance to be turned away; `None` if it has more.
    /// It can not become less until the window moves on: a call more is `K` calls more of room.
    fn bearable(&self, window: &Counts) -> Option<u64> {
        let all: u64 = Priority::ALL.iter().map(|(_, class)| window.requests(*class)).sum();
        let needed = self.settings.needed(all);
        let refusals = (window.accepted() + window.refused).checked_sub(needed)?;
        (window.refused <= refusals).then_some(refusals)
    }

    fn window(&self) -> Counts {
        self.live.0.read().since(&self.base.read())
    }

    #[inline(always)]
    fn age(&self, now: Time) {
        if now.as_nanos() >= self.due.load(Relaxed) {
            self.roll(now);
        }
    }

    /// Begins the slot of `now`, and all that nobody began in between.
    #[cold]
    fn roll(&self, now: Time) {
        let slot = now.as_nanos() / self.slot;
        let mut state = lock(&self.marks);
        if slot < state.slot || now.as_nanos() < self.due.load(Relaxed) {
            return;
        }
        let counted = self.live.0.read();
        let first = (state.slot + 1).max((slot + 1).saturating_sub(SLOTS as u64));
        for begun in first..=slot {
            state.marks[place(begun)] = counted;
        }
        state.slot = slot;
        let base = &state.marks[place(slot + 1)];
        self.base.write(base);
        self.calm.store(base.refused, Relaxed);
        self.due.store((slot + 1).saturating_mul(self.slot), Relaxed);
    }
}

fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

fn is_refusal(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failure(Failure::Overloaded { .. } | Failure::Timeout | Failure::Connect))
}

/// A throttle at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// What the window holds.
    pub window: Counts,
    /// Everything since the throttle was made. No count steps back.
    pub totals: Counts,
    /// The chance to be turned away now, by class, the lowest first.
    pub chances: [Ratio; 4],
}

#[cfg(test)]
mod tests;
