//! A store in memory, for tests: what it holds is gone with the process, and it says so.
//!
//! It is written to be obviously right rather than fast, since other stores are compared with it.

use crate::capabilities::Capabilities;
use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::{ItemId, Limits, NewItem, Token, View};
use crate::record::State;
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Items in memory. A cheap handle.
#[derive(Clone, Debug)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
    clock: StoreClock,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    items: BTreeMap<u64, Item>,
    paused: BTreeSet<String>,
    ids: u64,
    leases: u64,
}

#[derive(Debug)]
struct Item {
    view: View,
    fingerprint: Vec<u8>,
    payload: Vec<u8>,
    format: u16,
}

impl Memory {
    /// An empty store on the machine's clock.
    pub fn new(limits: Limits) -> Self {
        Memory::with_clock(limits, StoreClock::real(Timestamp(0)))
    }

    /// An empty store on `clock`.
    pub fn with_clock(limits: Limits, clock: StoreClock) -> Self {
        let (items, paused) = (BTreeMap::new(), BTreeSet::new());
        Memory { inner: Arc::new(Mutex::new(Inner { limits, items, paused, ids: 0, leases: 0 })), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn queue(&self, queue: &str) -> impl Iterator<Item = &Item> {
        self.items.values().filter(move |item| item.view.queue == queue)
    }

    fn enqueue(&mut self, new: &NewItem, now: Timestamp) -> Enqueued {
        if let Some(known) = self.queue(&new.queue).find(|item| item.view.key == new.key) {
            let (id, state) = (known.view.id, known.view.record.state.clone());
            return match known.fingerprint == new.fingerprint {
                true => Enqueued::Duplicate { id, state },
                false => Enqueued::KeyConflict(id),
            };
        }
        let live = self.queue(&new.queue).filter(|item| item.view.record.state.is_live());
        let (depth, bytes) =
            live.fold((0, 0), |(depth, bytes), item| (depth + 1, bytes + item.payload.len() as u64));
        if depth >= self.limits.max_items || bytes + new.payload.len() as u64 > self.limits.max_bytes {
            return Enqueued::Full { depth, bytes };
        }
        self.ids += 1;
        let id = ItemId(self.ids);
        let view = View { id, queue: new.queue.clone(), key: new.key.clone(), record: new.record(now) };
        let (fingerprint, payload) = (new.fingerprint.clone(), new.payload.clone());
        self.items.insert(id.0, Item { view, fingerprint, payload, format: new.format });
        Enqueued::Stored(id)
    }

    fn lease(&mut self, request: &LeaseRequest, now: Timestamp) -> Vec<Leased> {
        let mut leased = Vec::new();
        if self.paused.contains(&request.queue) {
            return leased;
        }
        for class in (0..4).rev() {
            let of_class =
                |item: &&Item| item.view.record.class as usize == class && item.view.record.is_due(now);
            let mut due: Vec<_> = self
                .queue(&request.queue)
                .filter(of_class)
                .map(|item| (item.view.record.due_at, item.view.id))
                .collect();
            due.sort();
            let room = request.quota[class].min(request.most - leased.len());
            for (_, id) in due.into_iter().take(room) {
                self.leases += 1;
                let Some(item) = self.items.get_mut(&id.0) else { continue };
                if item.view.record.lease(self.leases, now.after(request.ttl), now) {
                    leased.push(Leased {
                        token: Token { id, lease: self.leases },
                        view: item.view.clone(),
                        payload: item.payload.clone(),
                        format: item.format,
                    });
                }
            }
        }
        leased
    }

    fn sweep(&mut self, limit: usize, now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        for item in self.items.values_mut() {
            let record = &mut item.view.record;
            let (leased, limit) = (record.state == State::Leased, limit as u64);
            if (if leased { swept.crashed } else { swept.expired }) >= limit || !record.sweep(now) {
                continue;
            }
            match leased {
                true => {
                    swept.crashed += 1;
                    swept.died += u64::from(matches!(record.state, State::Dead(_)));
                }
                false => swept.expired += 1,
            }
        }
        let window = self.limits.provider_window;
        let over = |item: &&Item| {
            let record = &item.view.record;
            !record.state.is_live()
                && !matches!(record.state, State::Dead(_))
                && record.keep_until(window) <= now
        };
        let over: Vec<_> = self.items.values().filter(over).map(|item| item.view.id).take(limit).collect();
        for id in over {
            self.items.remove(&id.0);
            swept.forgotten += 1;
        }
        swept
    }

    fn stats(&self, queue: &str) -> Stats {
        let mut stats = Stats { paused: self.paused.contains(queue), ..Stats::default() };
        for item in self.queue(queue) {
            let record = &item.view.record;
            let class = &mut stats.classes[record.class as usize];
            class.dead += u64::from(matches!(record.state, State::Dead(_)));
            if record.state.is_live() {
                class.live += 1;
                class.bytes += item.payload.len() as u64;
                stats.leased += u64::from(record.state == State::Leased);
                stats.needs_check += u64::from(record.needs_check);
                let oldest = stats.oldest_created_at.get_or_insert(record.created_at);
                *oldest = record.created_at.min(*oldest);
            }
        }
        stats
    }
}

fn answer<T: Send + 'static>(result: Result<T, StoreError>) -> Answer<'static, T> {
    Box::pin(ready(result))
}

impl QueueStore for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities::of_own_rows(false)
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        let (mut inner, now) = (self.lock(), self.clock.now());
        if let Some(error) = items.iter().find_map(|item| item.check(&inner.limits).err()) {
            return answer(Err(error));
        }
        answer(Ok(items.iter().map(|item| inner.enqueue(item, now)).collect()))
    }

    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        answer(Ok(self.lock().lease(&request, self.clock.now())))
    }

    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>> {
        let (mut inner, now) = (self.lock(), self.clock.now());
        let extend = |token: Token| match inner.items.get_mut(&token.id.0) {
            Some(item) => item.view.record.extend(token.lease, now.after(ttl), now),
            None => Settled::Fenced,
        };
        answer(Ok(leases.into_iter().map(extend).collect()))
    }

    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        let (mut inner, now) = (self.lock(), self.clock.now());
        let settle = |(token, settlement): (Token, Settlement)| match inner.items.get_mut(&token.id.0) {
            Some(item) => item.view.record.settle(token.lease, settlement, now),
            None => Settled::Fenced,
        };
        answer(Ok(settlements.into_iter().map(settle).collect()))
    }

    fn sweep(&self, limit: usize) -> Answer<'_, Swept> {
        answer(Ok(self.lock().sweep(limit, self.clock.now())))
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        let inner = self.lock();
        let found = inner.queue(queue).find(|item| item.view.key == key).map(|item| item.view.clone());
        answer(Ok(found))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        let inner = self.lock();
        let views = inner.items.values().map(|item| &item.view).filter(|view| filter.admits(view));
        answer(Ok(views.take(limit).cloned().collect()))
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        let (mut inner, now) = (self.lock(), self.clock.now());
        answer(Ok(match inner.items.get_mut(&id.0) {
            None => Cancelled::Unknown,
            Some(item) => match item.view.record.cancel(now) {
                true => Cancelled::Cancelled,
                false => Cancelled::TooLate(item.view.record.state.clone()),
            },
        }))
    }

    fn redrive(&self, filter: Filter, limit: usize) -> Answer<'_, u64> {
        let (mut inner, now) = (self.lock(), self.clock.now());
        let dead = inner.items.values_mut().filter(|item| filter.admits(&item.view));
        let moved = dead.filter_map(|item| item.view.record.redrive(now).then_some(())).take(limit).count();
        answer(Ok(moved as u64))
    }

    fn pause(&self, queue: &str, paused: bool) -> Answer<'_, ()> {
        let mut inner = self.lock();
        if paused {
            inner.paused.insert(queue.into());
        } else {
            inner.paused.remove(queue);
        }
        answer(Ok(()))
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        answer(Ok(self.lock().stats(queue)))
    }
}
