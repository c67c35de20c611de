//! The bulkhead told plainly: one list in the order of service, looked through from its beginning after every step.

use fusebox_core::bulkhead::{Config, QueueOrder};
use fusebox_core::{Ask, Priority, Reason, Time};
use std::collections::BTreeMap;

/// What a key may hold, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerKey {
    pub(crate) places: u64,
    pub(crate) queue: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: u64,
    ask: Ask,
    until: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Placed,
    Parked(Time),
    Refused(Reason),
}

#[derive(Debug)]
pub(crate) struct Model {
    config: Config,
    pub(crate) capacity: u64,
    line: Vec<Waiter>,
    /// Those that left the line and have not come back.
    answered: BTreeMap<u64, (Said, Ask)>,
    /// What is in, by number: granted places, too.
    held: BTreeMap<u64, Ask>,
    pub(crate) refused: BTreeMap<&'static str, u64>,
}

impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Model {
            capacity: config.max_concurrent,
            config,
            line: Vec::new(),
            answered: BTreeMap::new(),
            held: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.held.values().map(|ask| ask.weight).sum()
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.line.len() as u64
    }

    pub(crate) fn granted(&self) -> u64 {
        self.answered.values().filter(|(said, _)| *said == Said::Placed).count() as u64
    }

    pub(crate) fn keys(&self) -> usize {
        let known = self.held.values().chain(self.line.iter().map(|waiter| &waiter.ask));
        let counts = |ask: &&Ask| ask.key != 0 && self.per_key().is_some();
        known.filter(counts).map(|ask| ask.key).collect::<std::collections::BTreeSet<_>>().len()
    }

    pub(crate) fn enter(&mut self, id: u64, ask: Ask, now: Time, latest: Time) -> Said {
        self.advance(now);
        let newcomer = Waiter { id, ask, until: latest.min(now + self.config.max_wait) };
        let at = self.stand(ask.priority);
        let (lets, has_room) = (self.key_lets(&ask, at), self.key_has_room(&ask));
        let ahead = self.first_ready().is_some_and(|first| first < at);
        if lets && !ahead && self.fits(&ask) {
            self.held.insert(id, ask);
            return Said::Placed;
        }
        let may_wait = now < newcomer.until && self.config.max_queue > 0;
        let siblings = self.line.iter().filter(|waiter| waiter.ask.key == ask.key).count();
        let queue_is_mine = ask.key != 0 && self.per_key().is_some_and(|per_key| siblings >= per_key.queue);
        if self.limit(ask.priority) < self.capacity && has_room && !self.fits(&ask) {
            return self.refuse(Reason::Shed);
        } else if queue_is_mine || (!has_room && !may_wait) {
            return self.refuse(Reason::KeyFull);
        } else if !may_wait {
            let late = now >= latest;
            return self.refuse(if late { Reason::BulkheadTimeout } else { Reason::BulkheadFull });
        }
        if self.line.len() >= self.config.max_queue as usize {
            let last = self.line[self.line.len() - 1];
            let is_lifo = self.config.order == QueueOrder::Lifo;
            let reason = if last.ask.priority < ask.priority {
                Reason::Shed
            } else if last.ask.priority == ask.priority && is_lifo {
                Reason::BulkheadFull
            } else {
                return self.refuse(if has_room { Reason::BulkheadFull } else { Reason::KeyFull });
            };
            self.line.pop();
            let said = self.refuse(reason);
            self.answered.insert(last.id, (said, last.ask));
        }
        self.line.insert(self.stand(ask.priority), newcomer);
        self.grant();
        Said::Parked(newcomer.until)
    }

    pub(crate) fn resume(&mut self, id: u64, now: Time) -> Said {
        self.advance(now);
        match self.line.iter().find(|waiter| waiter.id == id) {
            Some(waiter) => Said::Parked(waiter.until),
            None => self.answered.remove(&id).expect("it waits or has its answer").0,
        }
    }

    /// Whether it was still cancelled, not refused before.
    pub(crate) fn cancel(&mut self, id: u64, now: Time) -> bool {
        self.advance(now);
        let waited = self.line.iter().any(|waiter| waiter.id == id);
        self.line.retain(|waiter| waiter.id != id);
        let granted = self.answered.remove(&id).is_some_and(|(said, _)| said == Said::Placed);
        if granted {
            self.held.remove(&id);
        }
        self.grant();
        waited || granted
    }

    pub(crate) fn leave(&mut self, id: u64, now: Time) {
        self.held.remove(&id).expect("it is in");
        self.advance(now);
    }

    pub(crate) fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity.max(1);
        self.grant();
    }

    pub(crate) fn has_answer(&self, id: u64) -> bool {
        self.answered.contains_key(&id)
    }

    pub(crate) fn advance(&mut self, now: Time) {
        let (over, line): (Vec<_>, _) = self.line.iter().partition(|waiter| waiter.until <= now);
        self.line = line;
        for Waiter { id, ask, .. } in over {
            let has_room = self.key_has_room(&ask);
            let said = self.refuse(if has_room { Reason::BulkheadTimeout } else { Reason::KeyFull });
            self.answered.insert(id, (said, ask));
        }
        self.grant();
    }

    fn grant(&mut self) {
        while let Some(at) = self.first_ready() {
            let Waiter { id, ask, .. } = self.line[at];
            if !self.fits(&ask) {
                return;
            }
            self.line.remove(at);
            self.held.insert(id, ask);
            self.answered.insert(id, (Said::Placed, ask));
        }
    }

    /// The first of the line that its key does not keep waiting.
    fn first_ready(&self) -> Option<usize> {
        (0..self.line.len()).find(|at| self.key_lets(&self.line[*at].ask, *at))
    }

    /// Where a call of this priority stands that comes now.
    fn stand(&self, priority: Priority) -> usize {
        let is_before = |waiter: &&Waiter| match self.config.order {
            QueueOrder::Fifo => waiter.ask.priority >= priority,
            QueueOrder::Lifo => waiter.ask.priority > priority,
        };
        self.line.iter().take_while(is_before).count()
    }

    fn limit(&self, priority: Priority) -> u64 {
        ((self.capacity as f64 * self.config.shares[priority as usize] + 1e-9) as u64).max(1)
    }

    fn fits(&self, ask: &Ask) -> bool {
        self.used() == 0 || self.used() + ask.weight <= self.limit(ask.priority)
    }

    fn per_key(&self) -> Option<PerKey> {
        use fusebox_core::bulkhead::PerKey as Bound;
        let queue = f64::from(self.config.max_queue);
        let (places, share) = match self.config.max_per_key? {
            Bound::Places(places) => (places, places as f64 / self.capacity as f64),
            Bound::Share(share) => (((self.capacity as f64 * share + 1e-9) as u64).max(1), 0.0),
        };
        let share = if share > 0.0 { share } else { places as f64 / self.capacity as f64 };
        Some(PerKey { places, queue: ((queue * share - 1e-9).ceil()).clamp(1.0, queue.max(1.0)) as usize })
    }

    fn key_has_room(&self, ask: &Ask) -> bool {
        let held: u64 = self.held.values().filter(|held| held.key == ask.key).map(|held| held.weight).sum();
        let fits = |per_key: PerKey| held == 0 || held + ask.weight <= per_key.places;
        ask.key == 0 || self.per_key().is_none_or(fits)
    }

    /// Whether the key has room for it and for all its calls before it.
    fn key_lets(&self, ask: &Ask, at: usize) -> bool {
        let mut before = self.line[..at].iter().filter(|waiter| ask.key != 0 && waiter.ask.key == ask.key);
        self.key_has_room(ask) && before.all(|waiter| self.key_has_room(&waiter.ask))
    }

    fn refuse(&mut self, reason: Reason) -> Said {
        *self.refused.entry(reason.as_str()).or_default() += 1;
        Said::Refused(reason)
    }
}
