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
            first_attempt_at: None,
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
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp(secs * 1_000)
    }

    fn item() -> Record {
        let item =
            NewItem { max_attempts: 2, expires_in: Duration::from_secs(100), ..NewItem::new("q", "k", "") };
        item.record(at(0))
    }

    fn failed(delay: u64) -> Settlement {
        Settlement::Retry { delay: Duration::from_secs(delay), reason: "500".into(), counted: true }
    }

    #[test]
    fn an_attempt_is_counted_and_dated_when_it_is_leased() {
        let mut record = item();
        assert!(record.lease(1, at(30), at(5)));
        assert_eq!((record.attempts, record.first_attempt_at), (1, Some(at(5))));
        assert!(!record.lease(2, at(30), at(6)), "one lease at a time");
    }

    #[test]
    fn what_was_never_sent_costs_no_attempt_and_starts_no_window() {
        let mut record = item();
        record.lease(1, at(30), at(5));
        assert_eq!(record.settle(1, Settlement::Release, at(6)), Settled::Applied);
        assert_eq!((record.attempts, record.first_attempt_at, record.needs_check), (0, None, false));
        record.lease(2, at(30), at(7));
        let shed = Settlement::Retry { delay: Duration::ZERO, reason: "open".into(), counted: false };
        record.settle(2, shed, at(8));
        assert_eq!((record.attempts, record.first_attempt_at), (0, None));
    }

    #[test]
    fn the_last_attempt_that_fails_is_the_end() {
        let mut record = item();
        record.lease(1, at(30), at(0));
        record.settle(1, failed(10), at(1));
        assert_eq!((record.state.clone(), record.due_at, record.needs_check), (State::Ready, at(11), true));
        assert!(!record.lease(2, at(30), at(10)), "it is not due");
        record.lease(2, at(30), at(11));
        record.settle(2, failed(10), at(12));
        assert_eq!(record.state, State::Dead(Death::MaxAttempts));
    }

    #[test]
    fn a_lease_that_is_over_can_only_bring_good_news() {
        let mut record = item();
        record.lease(1, at(10), at(0));
        assert!(record.sweep(at(10)));
        assert!(record.needs_check && record.crashes == 1);
        record.lease(2, at(30), at(10));
        let bury = Settlement::Bury { death: Death::Refused, reason: "no".into() };
        for stale in [failed(0), Settlement::Release, bury] {
            assert_eq!(record.settle(1, stale, at(11)), Settled::Fenced);
        }
        assert_eq!(record.extend(1, at(99), at(11)), Settled::Fenced);
        assert_eq!(record.extend(2, at(99), at(30)), Settled::Fenced, "over, though nobody has swept");
        let complete = || Settlement::Complete { result: b"ok".to_vec() };
        assert_eq!(record.settle(1, complete(), at(12)), Settled::LateSuccess);
        assert_eq!(
            (record.state.clone(), record.settle(2, complete(), at(13))),
            (State::Done, Settled::AlreadyDone)
        );
        assert_eq!(record.settle(2, failed(0), at(14)), Settled::Fenced);
    }

    #[test]
    fn a_lease_that_was_never_given_completes_nothing() {
        let mut record = item();
        let complete = || Settlement::Complete { result: vec![] };
        assert_eq!(record.settle(7, complete(), at(1)), Settled::Fenced);
        record.lease(3, at(30), at(1));
        assert_eq!(
            (record.settle(7, complete(), at(2)), record.state.clone()),
            (Settled::Fenced, State::Leased)
        );
    }

    #[test]
    fn a_call_that_outlives_its_item_and_succeeds_is_done() {
        let mut record = item();
        record.lease(1, at(200), at(99));
        assert!(!record.sweep(at(150)), "in flight");
        assert_eq!(record.settle(1, Settlement::Complete { result: vec![] }, at(150)), Settled::Applied);
        assert_eq!(record.state, State::Done);
        let mut record = item();
        record.lease(1, at(200), at(99));
        record.settle(1, failed(0), at(150));
        assert_eq!(record.state, State::Ready, "it may have been made: it is asked for");
    }

    #[test]
    fn what_runs_out_of_time_is_expired_only_if_it_was_surely_not_made() {
        let day = LAST_QUESTIONS.as_secs();
        let mut never = item();
        assert!(never.sweep(at(100)));
        assert_eq!(never.state, State::Expired);
        let mut unsure = item();
        unsure.lease(1, at(30), at(0));
        unsure.settle(1, failed(0), at(1));
        assert!(!unsure.sweep(at(100)) && unsure.is_due(at(100 + day - 1)), "it can be asked for");
        let mut found_missing = unsure.clone();
        found_missing.lease(2, at(200), at(150));
        assert_eq!(found_missing.settle(2, Settlement::Expire, at(151)), Settled::Applied);
        assert_eq!((found_missing.state, found_missing.attempts), (State::Expired, 1));
        assert!(unsure.sweep(at(100 + day)));
        assert_eq!(unsure.state, State::Dead(Death::Unresolved));
    }

    #[test]
    fn three_crashes_are_the_end() {
        let mut record = NewItem::new("q", "k", "").record(at(0));
        for crash in 1..=3u64 {
            assert!(record.lease(crash, at(crash * 10), at(crash * 10 - 9)));
            assert!(record.sweep(at(crash * 10)));
        }
        assert_eq!(record.state, State::Dead(Death::CrashLimit));
        assert!(record.redrive(at(50)) && !record.redrive(at(51)));
        assert!(
            record.needs_check && record.first_attempt_at == Some(at(1)),
            "the provider's window goes on"
        );
    }

    #[test]
    fn a_key_is_known_a_day_longer_than_it_can_be_sent() {
        let mut record = item();
        let (window, day) = (Duration::from_secs(500), Duration::from_secs(24 * 3_600));
        assert_eq!(record.keep_until(window), at(100).after(day));
        record.lease(1, at(200), at(50));
        assert_eq!(record.keep_until(window), at(550).after(day));
    }
}
