//! Taking items.
//!
//! Who enqueues locks the rows of its queues first. So one transaction at a time looks for keys and counts what is there, and what it
//! has found still holds when it stores: limits are exact, and one key is one item, also where another transaction that had it rolls
//! back.

use super::desk::{Desk, Done, Side};
use super::rows::state;
use crate::error::StoreError;
use crate::item::{ItemId, Limits, NewItem, View};
use crate::notice;
use crate::record::{Death, State};
use crate::store::Enqueued;
use sqlx::Row;
use std::collections::{BTreeSet, HashMap};

/// A queue and a key in it.
type Name = (String, String);

/// An item that was there.
struct Known {
    id: ItemId,
    state: State,
    fingerprint: Vec<u8>,
}

/// What becomes of an item of a batch.
enum Verdict {
    Told(Enqueued),
    /// It is stored.
    New,
    /// An earlier one of the batch has its key, and is stored.
    Same {
        fingerprint: bool,
    },
}

fn name(item: &NewItem) -> Name {
    (item.queue.clone(), item.key.clone())
}

/// Refuses what cannot be kept.
pub(super) fn check(items: &[NewItem], limits: &Limits) -> Result<(), StoreError> {
    items.iter().try_for_each(|item| item.check(limits).and_then(|()| refuse_zero(item)))
}

impl Desk<'_> {
    /// Takes items that have been [checked](check).
    pub(super) async fn enqueue(&mut self, items: &[NewItem]) -> Done<Vec<Enqueued>> {
        self.side = Side::Enqueues;
        let queues: BTreeSet<&str> = items.iter().map(|item| &*item.queue).collect();
        let queues: Vec<&str> = queues.into_iter().collect();
        self.lock(&queues).await?;
        let now = self.now().await?;
        let known = self.known(items).await?;
        let verdicts = judge(items, &known, self.held(&queues).await?, &self.house.limits);

        let new = items.iter().zip(&verdicts).filter(|(_, verdict)| matches!(verdict, Verdict::New));
        let new: Vec<&NewItem> = new.map(|(item, _)| item).collect();
        let stored = self.insert(&new).await?;
        let told = new.iter().filter_map(|item| {
            let (name, record) = (name(item), item.record(now));
            let id = *stored.get(&name)?;
            notice::of_new(&View { id, queue: name.0, key: name.1, record }, now)
        });
        let told: Vec<NewItem> = told.collect();
        self.insert(&told.iter().collect::<Vec<_>>()).await?;
        self.notify(&new).await?;

        let missing =
            || StoreError::Other("an item was stored by somebody who had not locked its queue".into());
        let answer = |(item, verdict): (&NewItem, Verdict)| {
            let id = || stored.get(&name(item)).copied().ok_or_else(missing);
            Ok(match verdict {
                Verdict::Told(told) => told,
                Verdict::New => Enqueued::Stored(id()?),
                Verdict::Same { fingerprint: true } => Enqueued::Duplicate { id: id()?, state: State::Ready },
                Verdict::Same { fingerprint: false } => Enqueued::KeyConflict(id()?),
            })
        };
        items.iter().zip(verdicts).map(answer).collect()
    }

    /// Locks queues, in the order of their names, and makes those that there are not.
    async fn lock(&mut self, queues: &[&str]) -> Done<()> {
        // A conflict locks its row, though nothing is to be written.
        let sql = self.sql(
            "INSERT INTO @.queue (name) SELECT * FROM unnest($1::text[]) ORDER BY 1 \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name WHERE false",
        );
        sqlx::query(&sql).bind(queues).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn known(&mut self, items: &[NewItem]) -> Done<HashMap<Name, Known>> {
        let sql = self.sql(
            "SELECT id, queue, key, state, death, fingerprint FROM @.item \
             JOIN unnest($1::text[], $2::text[]) AS wanted (queue, key) USING (queue, key)",
        );
        let look = sqlx::query(&sql)
            .bind(items.iter().map(|item| &*item.queue).collect::<Vec<_>>())
            .bind(items.iter().map(|item| &*item.key).collect::<Vec<_>>());
        let mut known = HashMap::new();
        for row in look.fetch_all(&mut *self.connection).await? {
            let state = state(row.try_get(3)?, row.try_get(4)?).unwrap_or(State::Dead(Death::Undecodable));
            let id = ItemId(row.try_get::<i64, _>(0)?.cast_unsigned());
            known.insert(
                (row.try_get(1)?, row.try_get(2)?),
                Known { id, state, fingerprint: row.try_get(5)? },
            );
        }
        Ok(known)
    }

    /// Items that have not ended and bytes of their payloads, by queue.
    async fn held(&mut self, queues: &[&str]) -> Done<HashMap<String, (u64, u64)>> {
        let sql = self.sql(
            "SELECT queue, sum(live)::bigint, sum(bytes)::bigint FROM @.tally WHERE queue = ANY($1) GROUP BY queue",
        );
        let mut held = HashMap::new();
        for row in sqlx::query(&sql).bind(queues).fetch_all(&mut *self.connection).await? {
            let count = |at| row.try_get::<i64, _>(at).map(|count| u64::try_from(count).unwrap_or(0));
            held.insert(row.try_get(0)?, (count(1)?, count(2)?));
        }
        Ok(held)
    }

    /// Tells, once this is committed, who listens.
    async fn notify(&mut self, new: &[&NewItem]) -> Done<()> {
        let queues: BTreeSet<&str> = new.iter().map(|item| &*item.queue).collect();
        if !self.house.notify || queues.is_empty() {
            return Ok(());
        }
        let sql = "SELECT pg_notify($1, queue) FROM unnest($2::text[]) AS new (queue)";
        let notify = sqlx::query(sql).bind(self.house.schema.channel());
        notify.bind(queues.into_iter().collect::<Vec<_>>()).execute(&mut *self.connection).await?;
        Ok(())
    }
}

fn judge(
    items: &[NewItem],
    known: &HashMap<Name, Known>,
    mut held: HashMap<String, (u64, u64)>,
    limits: &Limits,
) -> Vec<Verdict> {
    let mut new: HashMap<Name, &NewItem> = HashMap::new();
    let judge = |item| {
        let (name, size) = (name(item), item.payload.len() as u64);
        if let Some(known) = known.get(&name) {
            let (id, state) = (known.id, known.state.clone());
            return Verdict::Told(match known.fingerprint == item.fingerprint {
                true => Enqueued::Duplicate { id, state },
                false => Enqueued::KeyConflict(id),
            });
        }
        if let Some(first) = new.get(&name) {
            return Verdict::Same { fingerprint: first.fingerprint == item.fingerprint };
        }
        let (depth, bytes) = held.entry(item.queue.clone()).or_default();
        if *depth >= limits.max_items || *bytes + size > limits.max_bytes {
            return Verdict::Told(Enqueued::Full { depth: *depth, bytes: *bytes });
        }
        (*depth, *bytes) = (*depth + 1, *bytes + size);
        new.insert(name, item);
        Verdict::New
    };
    items.iter().map(judge).collect()
}

/// PostgreSQL's text has no letter 0, and a name is not changed in silence.
fn refuse_zero(item: &NewItem) -> Result<(), StoreError> {
    let contact = item.notices.as_ref().map_or("", |told| &told.contact);
    let names = [("queue", &*item.queue), ("key", &*item.key), ("notices.contact", contact)];
    match names.into_iter().find(|(_, name)| name.contains('\0')) {
        Some((field, name)) => {
            let found = format!("{name:?}");
            Err(StoreError::Invalid { field, found, accepted: "text without the letter 0" })
        }
        None => Ok(()),
    }
}
