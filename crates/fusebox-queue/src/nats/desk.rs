//! Taking items, leasing them, and looking at them.

use super::carriers::{Carriers, Sent, born, item_of};
use super::ledger::{Kept, Ledger, millis};
use super::row::{Row, id_of};
use super::{DAY, server};
use crate::clock::StoreClock;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::record::State;
use crate::store::{Enqueued, Filter, LeaseRequest, Leased};
use crate::tally::Stats;
use async_nats::jetstream::{AckKind, Message};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) carriers: Carriers,
    pub(super) clock: StoreClock,
    pub(super) limits: Limits,
    pub(super) key_ttl: Duration,
    pub(super) longest_nap: Duration,
    /// Where the next sweep begins.
    pub(super) swept_to: AtomicU64,
}

/// What a delivered carrier came to.
enum Taken {
    Leased(Box<Leased>),
    /// It is not to be made before so long has passed.
    Later(Duration),
    /// Its item has ended.
    Over,
}

impl Desk {
    pub(super) fn new(
        ledger: Ledger,
        carriers: Carriers,
        clock: StoreClock,
        limits: Limits,
        (key_ttl, longest_nap): (Duration, Duration),
    ) -> Self {
        let swept_to = AtomicU64::new(1);
        Desk { ledger, carriers, clock, limits, key_ttl, longest_nap, swept_to }
    }

    fn check(&self, item: &NewItem) -> Result<(), StoreError> {
        item.check(&self.limits)?;
        if item.notices.is_some() {
            return Err(StoreError::Unsupported { what: "an item with notices" });
        }
        if item.expires_in + DAY > self.key_ttl {
            let found = format!("{:?}", item.expires_in);
            return Err(StoreError::Invalid { field: "expires_in", found, accepted: "key_ttl less a day" });
        }
        Ok(())
    }

    pub(super) async fn enqueue(&self, items: Vec<NewItem>) -> Result<Vec<Enqueued>, StoreError> {
        items.iter().try_for_each(|item| self.check(item))?;
        let mut told = Vec::with_capacity(items.len());
        for item in &items {
            told.push(self.enqueue_one(item).await?);
        }
        Ok(told)
    }

    /// The row first: it has the key. An item whose carrier was never acknowledged was never promised to anybody; whoever hands it
    /// over again sends the carrier.
    async fn enqueue_one(&self, item: &NewItem) -> Result<Enqueued, StoreError> {
        let row = Row::of(item, self.clock.now());
        let id = row.view.id;
        loop {
            if let Some(revision) = self.ledger.create(&row).await? {
                return self.carry_new(item, &row, revision).await;
            }
            // It may have been erased since.
            let Some(Kept { row: known, revision, .. }) = self.ledger.read(id).await? else { continue };
            if (&known.view.queue, &known.view.key) != (&row.view.queue, &row.view.key) {
                let found = format!("of the same digest as {:?} of {:?}", known.view.key, known.view.queue);
                return Err(StoreError::Invalid { field: "key", found, accepted: "another key" });
            }
            if known.digest != row.digest {
                return Ok(Enqueued::KeyConflict(id));
            }
            let state = known.view.record.state.clone();
            if known.carried || !state.is_live() {
                return Ok(Enqueued::Duplicate { id, state });
            }
            if let Sent::Full { depth, bytes } = self.carriers.send(&known, &item.payload).await? {
                return Ok(Enqueued::Full { depth, bytes });
            }
            // Whoever made the row and finds the queue full erases it only as long as nobody has written it since.
            if self.ledger.write(&Row { carried: true, ..known }, revision).await? {
                return Ok(Enqueued::Duplicate { id, state });
            }
        }
    }

    async fn carry_new(&self, item: &NewItem, row: &Row, revision: u64) -> Result<Enqueued, StoreError> {
        match self.carriers.send(row, &item.payload).await? {
            Sent::Kept => Ok(Enqueued::Stored(row.view.id)),
            Sent::Full { depth, bytes } => {
                self.ledger.forget(revision).await?;
                Ok(Enqueued::Full { depth, bytes })
            }
        }
    }

    pub(super) async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>, StoreError> {
        let (mut leased, mut later) = (Vec::new(), Vec::new());
        let mut failed = None;
        'classes: for class in (0..4).rev() {
            let mut room = request.quota[class].min(request.most - leased.len());
            while room > 0 {
                let messages = match self.carriers.fetch(&request.queue, class, room).await {
                    Ok(messages) if messages.is_empty() => break,
                    Ok(messages) => messages,
                    Err(error) => {
                        failed = Some(error);
                        break 'classes;
                    }
                };
                for message in messages {
                    match self.take(&message, request.ttl).await {
                        Ok(Taken::Leased(taken)) => {
                            leased.push(*taken);
                            room -= 1;
                        }
                        Ok(Taken::Later(delay)) => later.push((message, delay)),
                        Ok(Taken::Over) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                if failed.is_some() {
                    break 'classes;
                }
            }
        }
        // Not before: they would be delivered again at once.
        for (message, delay) in later {
            self.put_off(message.reply.as_deref(), delay).await;
        }
        // What is leased is told of in any case; the server's trouble is met again at the next call.
        match failed {
            Some(error) if leased.is_empty() => Err(error),
            _ => Ok(leased),
        }
    }

    /// Has the server bring a carrier back later. Should it not hear, it does so after `ack_wait`.
    pub(super) async fn put_off(&self, reply: Option<&str>, delay: Duration) {
        let nap = Some(delay.min(self.longest_nap)).filter(|nap| !nap.is_zero());
        if let Some(reply) = reply {
            let _ = self.carriers.tell(reply, AckKind::Nak(nap)).await;
        }
    }

    async fn take(&self, message: &Message, ttl: Duration) -> Result<Taken, StoreError> {
        let reply = message.reply.as_deref().map(str::to_owned);
        let over = async |kind| match &reply {
            Some(reply) => self.carriers.tell(reply, kind).await.map(|()| Taken::Over),
            None => Ok(Taken::Over),
        };
        let Some(id) = item_of(message) else { return over(AckKind::Term).await };
        let born = born(message.headers.as_ref());
        let changed = self.ledger.change(id, |row, revision| {
            let (record, now) = (&mut row.view.record, self.clock.now());
            if born != Some(record.created_at) {
                return None;
            }
            // A lease that ran out, as a sweep would find it.
            if record.state == State::Leased {
                record.sweep(now);
            }
            let leased = record.lease(revision, now.after(ttl), now);
            if leased {
                (row.reply, row.carried) = (reply.clone(), true);
            }
            Some((leased, revision, now))
        });
        let Some((told, row)) = changed.await? else {
            // A row outlives its carrier by far; one that is missing sooner is not proof enough to drop a call.
            let published = millis(message.info().map_err(server)?.published);
            return match published.after(self.key_ttl) <= self.clock.now() {
                true => over(AckKind::Term).await,
                false => Ok(Taken::Later(self.longest_nap)),
            };
        };
        // Of an earlier life of its key.
        let Some((leased, revision, now)) = told else { return over(AckKind::Term).await };
        let (format, view) = (row.format, row.view.clone());
        if leased {
            let (token, payload) = (Token { id, lease: revision }, message.payload.to_vec());
            return Ok(Taken::Leased(Box::new(Leased { token, view, payload, format })));
        }
        match view.record.state {
            // A sweep ends it; until then it is in nobody's way.
            State::Ready if view.record.expires_at <= now => Ok(Taken::Later(self.longest_nap)),
            State::Ready => Ok(Taken::Later(view.record.due_at.since(now))),
            State::Leased => {
                Ok(Taken::Later(view.record.lease.map_or(Duration::ZERO, |lease| lease.until.since(now))))
            }
            State::Dead(_) => {
                self.carriers.bury(&row, message.payload.to_vec()).await?;
                over(AckKind::Term).await
            }
            State::Done | State::Expired | State::Cancelled => over(AckKind::Ack).await,
        }
    }

    pub(super) async fn find(&self, queue: &str, key: &str) -> Result<Option<View>, StoreError> {
        let found = self.ledger.read(id_of(queue, key)).await?.map(|kept| kept.row.view);
        Ok(found.filter(|view| view.queue == queue && view.key == key))
    }

    pub(super) async fn show(&self, id: ItemId) -> Result<Option<Entry>, StoreError> {
        let Some(Kept { row, .. }) = self.ledger.read(id).await? else { return Ok(None) };
        let found = match row.view.record.state {
            State::Dead(_) => self.carriers.buried(&row).await?,
            _ => self.carriers.carrier(&row).await?.filter(|carrier| carrier.is_of(&row)),
        };
        let payload = found.map(|carrier| carrier.payload).unwrap_or_default();
        Ok(Some(Entry { view: row.view, payload, format: row.format }))
    }

    pub(super) async fn list(&self, filter: Filter, limit: usize) -> Result<Vec<View>, StoreError> {
        let views = self.ledger.all().await?.into_iter().map(|row| row.view);
        Ok(views.filter(|view| filter.admits(view)).take(limit).collect())
    }

    pub(super) async fn queues(&self) -> Result<Vec<String>, StoreError> {
        let names: BTreeSet<_> = self.ledger.all().await?.into_iter().map(|row| row.view.queue).collect();
        Ok(names.into_iter().collect())
    }

    pub(super) async fn stats(&self, queue: &str) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        for row in self.ledger.all().await?.into_iter().filter(|row| row.view.queue == queue) {
            let record = &row.view.record;
            let class = &mut stats.classes[record.class as usize];
            class.dead += u64::from(matches!(record.state, State::Dead(_)));
            if record.state.is_live() {
                class.live += 1;
                class.bytes += row.size;
                stats.leased += u64::from(record.state == State::Leased);
                stats.needs_check += u64::from(record.needs_check);
                let oldest = stats.oldest_created_at.get_or_insert(record.created_at);
                *oldest = record.created_at.min(*oldest);
            }
        }
        Ok(stats)
    }
}
