//! The waiting line: what is under the lock.
//!
//! A call in the queue is *ready* when a place is all it lacks, and *aside* when its key holds as much as one key may.
//! Only the ready hold others up: the first of them that does not fit ends a round of grants, so that a heavy call is
//! not overtaken for ever by light ones, while those aside are called back when their key gives something back. Who
//! leaves the queue for another reason than being cancelled finds its answer when it comes back for it.

use super::config::{MAX_CAPACITY, QueueOrder, Settings};
use super::counts::Counts;
use super::keys::Keys;
use super::places::{Places, SAMPLE};
use super::snapshot::Snapshot;
use super::wakes::Wakes;
use super::{Entry, Parked, Place};
use crate::time::nanos;
use crate::{Ask, Priority, Reason, Rejection, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use core::task::Waker;

/// Where a call stands in the queue, and its name there: the least is served first.
/// `[3 - priority: 2 | its number, or the complement of it where the newest is served first: 62]`.
pub(super) type Rank = u64;
const PRIORITY_SHIFT: u32 = 62;
const NUMBER: u64 = (1 << PRIORITY_SHIFT) - 1;

#[derive(Debug)]
pub(super) struct Line {
    settings: Settings,
    /// Numbers the calls that have waited.
    number: u64,
    queue: BTreeMap<Rank, Waiter>,
    /// Those in the queue that wait for a place and nothing else. Never filled without the flag of the places.
    ready: BTreeSet<Rank>,
    /// Those in the queue by the end of their patience.
    patience: BTreeSet<(Time, Rank)>,
    /// Those that have left the queue and have not come back yet.
    answered: BTreeMap<Rank, Answer>,
    keys: Keys,
    /// The latest moment that a caller has brought along.
    clock: Time,
    /// Since when somebody has been waiting.
    occupied: Option<Time>,
    counts: Counts,
}

#[derive(Debug)]
struct Waiter {
    ask: Ask,
    since: Time,
    waker: Waker,
    until: Time,
}

#[derive(Debug)]
struct Answer {
    since: Time,
    verdict: Result<Place, Rejection>,
}

impl Line {
    pub(super) fn new(settings: Settings, places: &Places) -> Self {
        let mut line = Line {
            number: 0,
            queue: BTreeMap::new(),
            ready: BTreeSet::new(),
            patience: BTreeSet::new(),
            answered: BTreeMap::new(),
            keys: Keys::default(),
            clock: Time::ZERO,
            occupied: None,
            counts: Counts::default(),
            settings,
        };
        line.resize(line.settings.config().max_concurrent, places);
        line
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `None` when the call must wait and has brought no waker of its own.
    pub(super) fn enter(
        &mut self,
        places: &Places,
        (ask, now, latest): (Ask, Time, Time),
        own: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Option<Entry> {
        self.advance(places, now, wakes);
        if places.is_count_full() {
            self.counts.admitted += places.fold();
        }
        let rank = self.rank(ask.priority);
        let has_turn = self.ready.first().is_none_or(|first| rank < *first);
        let (key_lets, key_has_room) = (self.key_lets(places, &ask, rank), self.key_has_room(places, &ask));
        if has_turn && key_lets && places.enter_locked(ask.weight, ask.priority) {
            return Some(Entry::Placed(self.admit(places, ask, now)));
        }
        let is_shed = places.limit(ask.priority) < places.capacity()
            && key_has_room
            && !places.has_room(ask.weight, ask.priority);
        let until = latest.min(now.plus_nanos(nanos(self.settings.config().max_wait)));
        let may_wait = now < until && self.settings.config().max_queue > 0;
        let counts_by_key = self.counts_by_key(places, &ask);
        let refusal = if is_shed {
            Some(Reason::Shed)
        } else if counts_by_key
            && (!(may_wait || key_has_room)
                || self.keys.waiting(ask.key) >= self.settings.key_queue(places.capacity()))
        {
            Some(Reason::KeyFull)
        } else if may_wait {
            None
        } else if now >= latest {
            Some(Reason::BulkheadTimeout)
        } else {
            Some(Reason::BulkheadFull)
        };
        if let Some(reason) = refusal {
            return Some(Entry::Refused(self.counts.refuse(reason)));
        }
        let is_full = self.queue.len() >= self.settings.config().max_queue as usize;
        let victim = if is_full { self.victim(ask.priority) } else { None };
        if is_full && victim.is_none() {
            let reason = if key_has_room { Reason::BulkheadFull } else { Reason::KeyFull };
            return Some(Entry::Refused(self.counts.refuse(reason)));
        }
        let waker = own.take()?;
        if let Some((rank, reason)) = victim {
            let rejection = self.counts.refuse(reason);
            self.answer(places, rank, Err(rejection), wakes);
        }
        self.number += 1;
        self.queue.insert(rank, Waiter { ask, since: now, waker, until });
        self.patience.insert((until, rank));
        self.counts.peak_waiting = self.counts.peak_waiting.max(self.queue.len() as u64);
        self.occupied.get_or_insert(now);
        if ask.key != 0 {
            self.keys.arrive(ask.key);
        }
        if key_lets {
            self.make_ready(places, rank);
        } else {
            self.keys.set_aside(ask.key, rank);
        }
        // A place that came free after the look above and before the flag went up.
        self.grant(places, wakes);
        Some(match self.answered.remove(&rank) {
            Some(Answer { verdict: Ok(place), .. }) => {
                self.counts.admit(now);
                Entry::Placed(place)
            }
            Some(Answer { verdict: Err(rejection), .. }) => Entry::Refused(rejection),
            None => Entry::Parked(Parked { rank, until }),
        })
    }

    /// `None` when the call goes on waiting and has brought no waker of its own where it needs one.
    pub(super) fn resume(
        &mut self,
        places: &Places,
        (parked, now, waker): (Parked, Time, &Waker),
        own: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Option<Entry> {
        self.advance(places, now, wakes);
        if let Some(waiting) = self.queue.get_mut(&parked.rank) {
            if !waiting.waker.will_wake(waker) {
                wakes.forget(core::mem::replace(&mut waiting.waker, own.take()?));
            }
            return Some(Entry::Parked(parked));
        }
        Some(match self.answered.remove(&parked.rank) {
            Some(Answer { since, verdict: Ok(place) }) => {
                self.counts.admit(now);
                self.counts.wait(now.nanos_since(since));
                Entry::Placed(place)
            }
            Some(Answer { verdict: Err(rejection), .. }) => Entry::Refused(rejection),
            None => Entry::Refused(Rejection::of(Reason::BulkheadTimeout, Time::NEVER)),
        })
    }

    pub(super) fn cancel(&mut self, places: &Places, parked: Parked, now: Time, wakes: &mut Wakes) {
        self.advance(places, now, wakes);
        if let Some(waker) = self.remove(places, parked.rank) {
            self.counts.cancelled += 1;
            wakes.forget(waker);
        } else if let Some(Answer { verdict: Ok(place), .. }) = self.answered.remove(&parked.rank) {
            self.counts.cancelled += 1;
            places.leave(place.weight());
            self.release_key(places, &place);
        }
        self.grant(places, wakes);
    }

    /// The rest of leaving, for a call that has given its places back already.
    pub(super) fn left(
        &mut self,
        places: &Places,
        (place, before): (Place, u64),
        timed_out: bool,
        now: Time,
        wakes: &mut Wakes,
    ) {
        if place.is_sample() {
            self.counts.sample(places, &place, before, timed_out, now);
        }
        self.release_key(places, &place);
        self.advance(places, now, wakes);
    }

    /// Another capacity.
    pub(super) fn set_capacity(&mut self, capacity: u64, places: &Places, wakes: &mut Wakes) {
        self.resize(capacity, places);
        self.ask_again(places);
        self.grant(places, wakes);
    }

    /// Other settings, with this capacity. Who waits already keeps its rank and the end of its patience.
    pub(super) fn reconfigure(
        &mut self,
        settings: Settings,
        capacity: u64,
        places: &Places,
        wakes: &mut Wakes,
    ) {
        self.settings = settings;
        self.set_capacity(capacity, places, wakes);
    }

    pub(super) fn snapshot(&mut self, places: &Places, now: Time, wakes: &mut Wakes) -> Snapshot {
        self.advance(places, now, wakes);
        self.counts.turn_peak(places, now);
        self.counts.admitted += places.fold();
        let running = self.occupied.map_or(0, |since| self.clock.nanos_since(since));
        Snapshot {
            capacity: places.capacity(),
            in_use: places.used(),
            waiting: self.queue.len() as u64,
            granted: self.answered.values().filter(|answer| answer.verdict.is_ok()).count() as u64,
            keys: self.keys.len() as u64,
            ..self.counts.snapshot(places, running, now)
        }
    }

    /// Ends the patience of those whose time is over, and serves those who fit.
    fn advance(&mut self, places: &Places, now: Time, wakes: &mut Wakes) {
        self.clock = self.clock.max(now);
        while let Some(&(until, rank)) = self.patience.first()
            && until <= now
        {
            let key_has_room =
                self.queue.get(&rank).is_none_or(|waiting| self.key_has_room(places, &waiting.ask));
            let rejection =
                self.counts.refuse(if key_has_room { Reason::BulkheadTimeout } else { Reason::KeyFull });
            self.answer(places, rank, Err(rejection), wakes);
        }
        self.grant(places, wakes);
    }

    /// Gives places to the first of the line while they fit.
    fn grant(&mut self, places: &Places, wakes: &mut Wakes) {
        while let Some(&rank) = self.ready.first() {
            let Some(Waiter { ask, .. }) = self.queue.get(&rank) else { return };
            let ask = *ask;
            if !self.key_lets(places, &ask, rank) {
                self.make_unready(places, rank);
                self.keys.set_aside(ask.key, rank);
            } else if places.grant(ask.weight, ask.priority) {
                let place = self.place(places, ask);
                self.answer(places, rank, Ok(place), wakes);
            } else {
                return;
            }
        }
    }

    /// Takes a call out of the queue and leaves it its answer.
    fn answer(&mut self, places: &Places, rank: Rank, verdict: Result<Place, Rejection>, wakes: &mut Wakes) {
        let Some(since) = self.queue.get(&rank).map(|waiting| waiting.since) else { return };
        if let Some(waker) = self.remove(places, rank) {
            wakes.wake(waker);
            self.answered.insert(rank, Answer { since, verdict });
        }
    }

    /// Takes a call out of the queue.
    fn remove(&mut self, places: &Places, rank: Rank) -> Option<Waker> {
        let Waiter { ask, until, waker, .. } = self.queue.remove(&rank)?;
        self.patience.remove(&(until, rank));
        self.make_unready(places, rank);
        if self.queue.is_empty()
            && let Some(since) = self.occupied.take()
        {
            self.counts.occupied_nanos += self.clock.nanos_since(since);
        }
        if ask.key != 0 {
            self.keys.depart(ask.key, rank);
            self.call_back(places, ask.key);
        }
        Some(waker)
    }

    /// Makes a call ready. The flag goes up with the first.
    fn make_ready(&mut self, places: &Places, rank: Rank) {
        if self.ready.is_empty() {
            places.flag(true);
        }
        self.ready.insert(rank);
    }

    /// The flag comes down with the last.
    fn make_unready(&mut self, places: &Places, rank: Rank) {
        if self.ready.remove(&rank) && self.ready.is_empty() {
            places.flag(false);
        }
    }

    /// Calls the first back that was set aside for `key`, if the key has room for it by now.
    fn call_back(&mut self, places: &Places, key: u64) {
        if let Some(rank) = self.keys.first_aside(key)
            && self.queue.get(&rank).is_none_or(|waiting| self.key_has_room(places, &waiting.ask))
        {
            self.keys.call_back(key, rank);
            self.make_ready(places, rank);
        }
    }

    /// Asks all of those aside again, after a change of what one key may hold.
    fn ask_again(&mut self, places: &Places) {
        for rank in self.keys.call_all_back() {
            self.make_ready(places, rank);
        }
    }

    fn release_key(&mut self, places: &Places, place: &Place) {
        if place.is_keyed() {
            self.keys.give_back(place.key, place.weight());
            self.call_back(places, place.key);
        }
    }

    /// Who has to go for a call of this priority when the queue is full: the last of the line, if it matters less, or
    /// as much where the newest comes first.
    fn victim(&self, priority: Priority) -> Option<(Rank, Reason)> {
        let (&rank, last) = self.queue.last_key_value()?;
        let is_lifo = self.settings.config().order == QueueOrder::Lifo;
        if last.ask.priority < priority {
            Some((rank, Reason::Shed))
        } else if last.ask.priority == priority && is_lifo {
            Some((rank, Reason::BulkheadFull))
        } else {
            None
        }
    }

    /// The rank of a call that comes now.
    fn rank(&self, priority: Priority) -> Rank {
        let number = match self.settings.config().order {
            QueueOrder::Fifo => self.number & NUMBER,
            QueueOrder::Lifo => NUMBER - (self.number & NUMBER),
        };
        (3 - priority as u64) << PRIORITY_SHIFT | number
    }

    fn counts_by_key(&self, places: &Places, ask: &Ask) -> bool {
        ask.key != 0 && self.settings.key_limit(places.capacity()).is_some()
    }

    fn key_has_room(&self, places: &Places, ask: &Ask) -> bool {
        match self.settings.key_limit(places.capacity()) {
            Some(limit) if ask.key != 0 => self.keys.has_room(ask.key, ask.weight, limit),
            _ => true,
        }
    }

    /// Whether the key has room for the call, and for all of its calls that are aside before it: nor does a key's light
    /// call overtake its heavy one for ever.
    fn key_lets(&self, places: &Places, ask: &Ask, rank: Rank) -> bool {
        self.key_has_room(places, ask) && self.keys.first_aside(ask.key).is_none_or(|first| rank < first)
    }

    /// The place of a call whose weight is taken already and which has not waited.
    fn admit(&mut self, places: &Places, ask: Ask, now: Time) -> Place {
        let place = Place { since: now, ..self.place(places, ask) };
        self.counts.admit(now);
        place
    }

    fn place(&mut self, places: &Places, ask: Ask) -> Place {
        let is_keyed = self.counts_by_key(places, &ask);
        if is_keyed {
            self.keys.take(ask.key, ask.weight);
        }
        let is_sample = self.counts.admitted.is_multiple_of(SAMPLE);
        Place::new(ask.weight, ask.key, self.clock, is_keyed, is_sample)
    }

    fn resize(&mut self, capacity: u64, places: &Places) {
        let capacity = capacity.clamp(1, MAX_CAPACITY);
        for (_, priority) in Priority::ALL {
            places.set_limit(priority, self.settings.limit(priority, capacity));
        }
        places.set_keyed(self.settings.config().max_per_key.is_some());
    }
}
