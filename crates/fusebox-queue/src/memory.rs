//! A store in memory, for tests: what it holds is gone with the process, and it says so.
//!
//! It is written to be obviously right rather than fast, since other stores are compared with it.

use crate::capabilities::Capabilities;
use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::notice;
use crate::order::{Act, Audited, Order};
use crate::record::{Record, State};
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
    audit: Vec<Audited>,
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
        let (items, paused, audit) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let inner = Inner { limits, items, paused, audit, ids: 0, leases: 0 };
        Memory { inner: Arc::new(Mutex::new(inner)), clock }
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
        let view = self.insert(new, now);
        if let Some(notice) = notice::of_new(&view, now) {
            self.insert(&notice, now);
        }
        Enqueued::Stored(view.id)
    }

    /// Stores a notice, unless the same has been told in this very moment.
    fn tell(&mut self, notice: &NewItem, now: Timestamp) {
        if !self.queue(&notice.queue).any(|item| item.view.key == notice.key) {
            self.insert(notice, now);
        }
    }

    fn insert(&mut self, new: &NewItem, now: Timestamp) -> View {
        self.ids += 1;
        let id = ItemId(self.ids);
        let view = View { id, queue: new.queue.clone(), key: new.key.clone(), record: new.record(now) };
        let (fingerprint, payload) = (new.fingerprint.clone(), new.payload.clone());
        self.items.insert(id.0, Item { view: view.clone(), fingerprint, payload, format: new.format });
        view
    }

    /// Changes an item, and stores what is to be told of it.
    fn change<T>(&mut self, id: ItemId, now: Timestamp, change: impl FnOnce(&mut View) -> T) -> Option<T> {
        let item = self.items.get_mut(&id.0)?;
        let before = item.view.record.clone();
        let changed = change(&mut item.view);
        if let Some(notice) = notice::of_change(&item.view, &before, now) {
            self.tell(&notice, now);
        }
        Some(changed)
    }

    fn operate(&mut self, order: &Order, now: Timestamp) -> Vec<ItemId> {
        let Order { act, filter, reason, .. } = order;
        let mut moved = Vec::new();
        if let (Act::Pause | Act::Resume, Some(queue)) = (act, &filter.queue) {
            match act {
                _ if order.dry_run => {}
                Act::Pause => _ = self.paused.insert(queue.clone()),
                _ => _ = self.paused.remove(queue),
            }
        }
        let window = self.limits.provider_window;
        let of_state = |state: &&'static str| {
            let filter = Filter { state: Some(state), ..filter.clone() };
            let admitted = self.items.values().filter(move |item| filter.admits(&item.view));
            admitted.map(|item| item.view.id).collect::<Vec<_>>()
        };
        let wanted = act.states().iter().filter(|state| filter.state.is_none_or(|wanted| wanted == **state));
        for id in wanted.flat_map(of_state).collect::<Vec<_>>() {
            if moved.len() >= order.limit {
                break;
            }
            let Some(item) = self.items.get(&id.0) else { continue };
            let (mut view, before) = (item.view.clone(), item.view.record.clone());
            let forget = before.is_forgettable(window, now);
            if !act.apply(&mut view, reason, forget, now) {
                continue;
            }
            moved.push(id);
            if order.dry_run {
                continue;
            }
            if *act == Act::Purge {
                self.items.remove(&id.0);
            } else {
                self.change(id, now, |item| *item = view);
            }
        }
        if !order.dry_run {
            self.audit.push(order.audited(moved.len(), now));
        }
        moved
    }

    fn lease(&mut self, request: &LeaseRequest, now: Timestamp) -> Vec<Leased> {
        let mut leased = Vec::new();
        if self.paused.contains(&request.queue) {
            return leased;
        }
        let is_due = |item: &&Item| item.view.record.is_due(now);
        if request.soonest {
            let by = |item: &Item| (item.view.record.expires_at, item.view.id);
            let in_time = |item: &&Item| is_due(item) && now < item.view.record.expires_at;
            let mut due: Vec<_> = self.queue(&request.queue).filter(in_time).map(by).collect();
            due.sort();
            let due = due.into_iter().take(request.most).collect();
            self.lease_these(due, request.ttl, now, &mut leased);
            return leased;
        }
        for class in (0..4).rev() {
            let of_class = |item: &&Item| item.view.record.class as usize == class && is_due(item);
            let by = |item: &Item| (item.view.record.due_at, item.view.id);
            let mut due: Vec<_> = self.queue(&request.queue).filter(of_class).map(by).collect();
            due.sort();
            let room = request.quota[class].min(request.most - leased.len());
            self.lease_these(due.into_iter().take(room).collect(), request.ttl, now, &mut leased);
        }
        leased
    }

    fn lease_these(
        &mut self,
        due: Vec<(Timestamp, ItemId)>,
        ttl: Duration,
        now: Timestamp,
        leased: &mut Vec<Leased>,
    ) {
        for (_, id) in due {
            self.leases += 1;
            let Some(item) = self.items.get_mut(&id.0) else { continue };
            if item.view.record.lease(self.leases, now.after(ttl), now) {
                leased.push(Leased {
                    token: Token { id, lease: self.leases },
                    view: item.view.clone(),
                    payload: item.payload.clone(),
                    format: item.format,
                });
            }
        }
    }

    fn sweep(&mut self, limit: usize, now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        type When = fn(&Record) -> Option<Timestamp>;
        let ended: When = |record| record.lease.map(|lease| lease.until);
        let expired: When = |record| (record.state == State::Ready).then_some(record.gone_at());
        let delayed: When = |record| record.delayed_at.filter(|_| record.state == State::Ready);
        for (when, count) in
            [(ended, &mut swept.crashed), (expired, &mut swept.expired), (delayed, &mut swept.delayed)]
        {
            let at =
                |item: &Item| when(&item.view.record).filter(|at| *at <= now).map(|at| (at, item.view.id));
            let mut due: Vec<_> = self.items.values().filter_map(at).collect();
            due.sort();
            for (_, id) in due.into_iter().take(limit) {
                let sweep =
                    |view: &mut View| (view.record.sweep(now), matches!(view.record.state, State::Dead(_)));
                let (changed, died) = self.change(id, now, sweep).unwrap_or_default();
                *count += u64::from(changed);
                swept.died += u64::from(died);
            }
        }
        let window = self.limits.provider_window;
        let over = |item: &&Item| item.view.kept_until(window).is_some_and(|at| at <= now);
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
        let settle = |(token, settlement): (Token, Settlement)| {
            let settle = |view: &mut View| view.record.settle(token.lease, settlement, now);
            inner.change(token.id, now, settle).unwrap_or(Settled::Fenced)
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

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        let entry = |item: &Item| Entry {
            view: item.view.clone(),
            payload: item.payload.clone(),
            format: item.format,
        };
        answer(Ok(self.lock().items.get(&id.0).map(entry)))
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

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        answer(order.check().map(|()| self.lock().operate(&order, self.clock.now())))
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        answer(Ok(self.lock().audit.iter().rev().take(limit).cloned().collect()))
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        let names: BTreeSet<_> = self.lock().items.values().map(|item| item.view.queue.clone()).collect();
        answer(Ok(names.into_iter().collect()))
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        answer(Ok(self.lock().stats(queue)))
    }
}
