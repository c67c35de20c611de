//! What can become of one item.
//!
//! ```text
//!            lease                 complete
//!   Ready ───────────────► Leased ──────────► Done
//!     │ ▲                    │ │
//!     │ └── retry, release ──┘ ├─ bury, too many attempts or crashes ─► Dead ── redrive ──► Ready
//!     │     lease ran out      └─ it ran out of time ─► Expired
//!     ├─ cancel ─► Cancelled
//!     └─ it ran out of time ─► Expired
//! ```
//!
//! An item that ran out of time and may have been made is asked for during another day; it is Expired when the answer is that it was
//! not, and Dead if there was none.
//!
//! Time is an argument, the store's own. Every store moves its items through these functions and in no other way, so what holds
//! here holds in all of them:
//!
//! * An attempt is counted, and the first one dated, when it is leased: before the call leaves.
//! * A lease that is over makes nothing retry, die or be leased. That its call has *succeeded* is evidence all the same, and is kept.
//! * A lease that ran out may have reached its dependency: the item must be checked before it is sent again.

use crate::clock::Timestamp;
use crate::item::NewItem;
use crate::notice::Events;
use crate::store::{Settled, Settlement};
use fusebox_core::Priority;
use std::time::Duration;

/// So long after it ran out of time, an item that may have been made is asked for.
pub(crate) const LAST_QUESTIONS: Duration = Duration::from_secs(24 * 3_600);

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its time, and for somebody to make the call.
    Ready,
    /// Somebody makes the call.
    Leased,
    /// The call was made.
    Done,
    /// Nobody makes it any more, unless an operator says so.
    Dead(Death),
    /// It ran out of time.
    Expired,
    /// It was called off before it was ever sent.
    Cancelled,
}

impl State {
    /// Every state's name, as stores and operators write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Leased => "leased",
            State::Done => "done",
            State::Dead(_) => "dead",
            State::Expired => "expired",
            State::Cancelled => "cancelled",
        }
    }

    /// The state with this name; a dead one's `death` beside it.
    #[cfg(feature = "nats")]
    pub(crate) fn named(name: &str, death: Option<&str>) -> Option<State> {
        let plain = [State::Ready, State::Leased, State::Done, State::Expired, State::Cancelled];
        match death {
            Some(death) => Death::named(death).map(State::Dead),
            None => plain.into_iter().find(|state| state.as_str() == name),
        }
    }

    /// Whether it has not ended.
    pub const fn is_live(&self) -> bool {
        matches!(self, State::Ready | State::Leased)
    }
}

/// Why an item is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Death {
    /// Every attempt has failed.
    MaxAttempts,
    /// Its workers died with it too often.
    CrashLimit,
    /// The provider may have forgotten its key, so that sending it again could do it twice.
    WindowPassed,
    /// Nobody can read its payload.
    Undecodable,
    /// The dependency says that it will never do it.
    Refused,
    /// An operator's decision.
    Buried,
    /// It ran out of time, and nobody could find out whether it was made.
    Unresolved,
}

impl Death {
    /// Every reason, with the name it has in stores and for operators.
    pub const ALL: [(&'static str, Death); 7] = [
        ("max_attempts", Death::MaxAttempts),
        ("crash_limit", Death::CrashLimit),
        ("window_passed", Death::WindowPassed),
        ("undecodable", Death::Undecodable),
        ("refused", Death::Refused),
        ("buried", Death::Buried),
        ("unresolved", Death::Unresolved),
    ];

    /// The name it has in stores and for operators.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, death)| *death == self).map_or("buried", |(name, _)| name)
    }

    /// The reason with this name.
    pub fn named(name: &str) -> Option<Death> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, death)| *death)
    }
}

/// A lease: whoever shows its number may settle the item until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub number: u64,
    /// Until when it holds.
    pub until: Timestamp,
}

/// What a store knows of an item beside its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub state: State,
    /// How much it matters.
    pub class: Priority,
    /// It may have reached its dependency: whoever makes the call asks first.
    pub needs_check: bool,
    /// Attempts so far; one under way is counted.
    pub attempts: u32,
    /// Attempts, the first included, before it is dead.
    pub max_attempts: u32,
    /// Leases that ran out.
    pub crashes: u32,
    /// Leases that may run out before it is dead.
    pub max_crashes: u32,
    /// When it came.
    pub created_at: Timestamp,
    /// Not before.
    pub due_at: Timestamp,
    /// Not after.
    pub expires_at: Timestamp,
    /// When the dependency can have seen it for the first time.
    pub first_attempt_at: Option<Timestamp>,
    /// The lease, while it is leased.
    pub lease: Option<Lease>,
    /// The number of its latest lease; 0 if it never had one.
    pub last_lease: u64,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the call came to.
    pub result: Option<Vec<u8>>,
    /// Why it was last retried or buried.
    pub reason: Option<String>,
    /// Who is told what becomes of it.
    pub contact: Option<String>,
    /// Of what.
    pub events: Events,
    /// When it will have waited for so long that it is told of; nothing once it has been.
    pub delayed_at: Option<Timestamp>,
}

impl Record {
    pub(crate) fn ready(item: &NewItem, now: Timestamp) -> Record {
        let told = item.notices.as_ref();
        Record {
            state: State::Ready,
            class: item.class,
            needs_check: item.needs_check,
            attempts: 0,
            max_attempts: item.max_attempts,
            crashes: 0,
            max_crashes: item.max_crashes,
            created_at: now,
            due_at: now.after(item.delay),
            expires_at: now.after(item.expires_in),
            // What may have been made was first seen by its dependency now, or a little before.
            first_attempt_at: item.needs_check.then_some(now),
            lease: None,
            last_lease: 0,
            ended_at: None,
            result: None,
            reason: None,
            contact: told.map(|told| told.contact.clone()),
            events: told.map(|told| told.events).unwrap_or_default(),
            delayed_at: told.and_then(|told| told.delayed_after).map(|after| now.after(after)),
        }
    }

    /// Whether it may be leased. One that may have been made is asked for a while longer than it is sent: that it ran out of time is
    /// said only of what was not made.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Ready && self.due_at <= now && now < self.gone_at()
    }

    /// When it has run out of time, to be sent or at least to be asked for.
    pub(crate) fn gone_at(&self) -> Timestamp {
        if self.needs_check { self.expires_at.after(LAST_QUESTIONS) } else { self.expires_at }
    }

    /// Leases it; whether it was due.
    pub fn lease(&mut self, number: u64, until: Timestamp, now: Timestamp) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.attempts += 1;
        self.first_attempt_at.get_or_insert(now);
        (self.lease, self.last_lease) = (Some(Lease { number, until }), number);
        self.state = State::Leased;
        true
    }

    fn is_held_by(&self, number: u64) -> bool {
        self.state == State::Leased && self.lease.is_some_and(|lease| lease.number == number)
    }

    /// Makes a lease hold until then, unless it is over.
    pub fn extend(&mut self, number: u64, until: Timestamp, now: Timestamp) -> Settled {
        if !self.is_held_by(number) || self.lease.is_none_or(|lease| lease.until <= now) {
            return Settled::Fenced;
        }
        self.lease = Some(Lease { number, until });
        Settled::Applied
    }

    /// What came of a leased call.
    pub fn settle(&mut self, number: u64, settlement: Settlement, now: Timestamp) -> Settled {
        let held = self.is_held_by(number);
        // Numbers only grow: a later one than its latest was never this item's.
        if number == 0 || number > self.last_lease {
            return Settled::Fenced;
        }
        if let Settlement::Complete { result } = settlement {
            if self.state == State::Done {
                return Settled::AlreadyDone;
            }
            self.result = Some(result);
            self.end(State::Done, now);
            return if held { Settled::Applied } else { Settled::LateSuccess };
        }
        if !held {
            return Settled::Fenced;
        }
        match settlement {
            Settlement::Complete { .. } => {}
            Settlement::Release => {
                self.give_attempt_back();
                (self.state, self.lease) = (State::Ready, None);
            }
            Settlement::Retry { delay, reason, counted } => {
                if counted {
                    self.needs_check = true;
                } else {
                    self.give_attempt_back();
                }
                self.reason = Some(reason);
                self.again(now.after(delay), now);
            }
            Settlement::Expire => {
                self.give_attempt_back();
                self.end(State::Expired, now);
            }
            Settlement::Bury { death, reason } => {
                self.reason = Some(reason);
                self.end(State::Dead(death), now);
            }
        }
        Settled::Applied
    }

    /// Lets happen what time alone brings about; whether something did.
    pub fn sweep(&mut self, now: Timestamp) -> bool {
        match (&self.state, self.lease) {
            (State::Leased, Some(lease)) if lease.until <= now => {
                self.crashed(now);
                true
            }
            (State::Ready, _) if self.gone_at() <= now => {
                self.run_out(now);
                true
            }
            (State::Ready, _) if self.delayed_at.is_some_and(|at| at <= now) => {
                self.delayed_at = None;
                true
            }
            _ => false,
        }
    }

    /// Its worker is gone: nobody knows whether the call was made.
    pub fn crashed(&mut self, now: Timestamp) {
        self.crashes += 1;
        self.needs_check = true;
        match self.crashes >= self.max_crashes {
            true => self.end(State::Dead(Death::CrashLimit), now),
            false => self.again(now, now),
        }
    }

    /// Calls it off; only before it was ever sent, or between two attempts.
    pub fn cancel(&mut self, now: Timestamp) -> bool {
        let ready = self.state == State::Ready;
        if ready {
            self.end(State::Cancelled, now);
        }
        ready
    }

    /// Makes it due at once; only while it waits.
    pub fn hasten(&mut self, now: Timestamp) -> bool {
        let waits = self.state == State::Ready && self.due_at > now;
        if waits {
            self.due_at = now;
        }
        waits
    }

    /// Says that nobody is to make it; only while nobody does.
    pub fn bury(&mut self, reason: &str, now: Timestamp) -> bool {
        let ready = self.state == State::Ready;
        if ready {
            self.reason = Some(reason.into());
            self.end(State::Dead(Death::Buried), now);
        }
        ready
    }

    /// Takes it from the dead. It begins to count anew, and as long a life; whether it was dead.
    pub fn redrive(&mut self, now: Timestamp) -> bool {
        if !matches!(self.state, State::Dead(_)) {
            return false;
        }
        let life = self.expires_at.since(self.created_at);
        (self.state, self.attempts, self.crashes, self.ended_at) = (State::Ready, 0, 0, None);
        (self.needs_check, self.due_at) = (self.needs_check || self.first_attempt_at.is_some(), now);
        self.expires_at = self.expires_at.max(now.after(life));
        true
    }

    /// Until when its key must be known: longer than anybody could send it again.
    pub fn keep_until(&self, provider_window: Duration) -> Timestamp {
        let seen = self.first_attempt_at.map_or(Timestamp(0), |first| first.after(provider_window));
        self.expires_at.max(seen).after(Duration::from_secs(24 * 3_600))
    }

    /// Whether it may be erased: it has ended, and nobody can have a use for its key any more.
    pub(crate) fn is_forgettable(&self, provider_window: Duration, now: Timestamp) -> bool {
        !self.state.is_live() && (self.first_attempt_at.is_none() || self.keep_until(provider_window) <= now)
    }

    fn give_attempt_back(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
        if self.attempts == 0 && self.crashes == 0 && !self.needs_check {
            self.first_attempt_at = None;
        }
    }

    fn again(&mut self, due_at: Timestamp, now: Timestamp) {
        if self.attempts >= self.max_attempts {
            return self.end(State::Dead(Death::MaxAttempts), now);
        }
        if now >= self.gone_at() {
            return self.run_out(now);
        }
        (self.state, self.lease, self.due_at) = (State::Ready, None, due_at);
    }

    fn run_out(&mut self, now: Timestamp) {
        if self.needs_check {
            self.reason = Some("it ran out of time, and nobody could find out whether it was made".into());
            self.end(State::Dead(Death::Unresolved), now);
        } else {
            self.end(State::Expired, now);
        }
    }

    fn end(&mut self, state: State, now: Timestamp) {
        (self.state, self.lease, self.ended_at) = (state, None, Some(now));
    }
}

#[cfg(test)]
mod tests;
