//! A transaction: what it has open, and what it writes.
//!
//! # Locks
//!
//! Every transaction takes its locks in one order, so that none waits for another that waits for it: rows of items first, then of
//! queues, then counters, each in its own order. Counters are therefore summed up, and written when everything else is.
//!
//! A counter is the sum of two rows. Who enqueues writes one of them, and may keep it locked until the caller's transaction ends;
//! everybody else writes the other, so that no settlement waits for that.

use super::fault::Fault;
use super::rows::{COLUMNS, Held, held, millis, number, text};
use super::schema::Schema;
use crate::clock::{StoreClock, Timestamp};
use crate::item::{ItemId, Limits, NewItem, View};
use crate::notice;
use crate::record::{Record, State};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::{BTreeMap, HashMap};

pub(super) type Done<T> = Result<T, Fault>;

/// What every transaction of a store knows.
#[derive(Debug)]
pub(super) struct House {
    pub(super) schema: Schema,
    pub(super) limits: Limits,
    /// Instead of the server's.
    pub(super) clock: Option<StoreClock>,
    /// Whether it is told that a queue has got something.
    pub(super) notify: bool,
}

/// Which row of a counter a transaction writes.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Enqueues = 0,
    Rest = 1,
}

/// A transaction at work.
pub(super) struct Desk<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) house: &'c House,
    pub(super) side: Side,
    now: Option<Timestamp>,
    counted: BTreeMap<(String, i16), Counts>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) live: i64,
    pub(super) bytes: i64,
    pub(super) dead: i64,
}

impl Counts {
    /// As one item of `bytes` counts.
    fn of(record: &Record, bytes: i64) -> Self {
        let live = i64::from(record.state.is_live());
        Counts { live, bytes: live * bytes, dead: i64::from(matches!(record.state, State::Dead(_))) }
    }
}

/// Items whose rows this transaction has locked.
#[derive(Default)]
pub(super) struct Open {
    items: HashMap<ItemId, (Held, Record)>,
    /// As they were read.
    order: Vec<ItemId>,
    notices: Vec<NewItem>,
}

impl Open {
    pub(super) fn of(rows: &[PgRow]) -> Done<Self> {
        let mut open = Open::default();
        for row in rows {
            let held = held(row)?;
            let before = held.view.record.clone();
            open.order.push(held.view.id);
            open.items.insert(held.view.id, (held, before));
        }
        Ok(open)
    }

    /// The numbers of those that can be read, in their order.
    pub(super) fn ids(&self) -> Vec<ItemId> {
        self.order.iter().copied().filter(|id| self.broken(*id).is_none()).collect()
    }

    /// The number of the last.
    pub(super) fn last(&self) -> Option<ItemId> {
        self.order.last().copied()
    }

    /// How an item stands that cannot be read.
    pub(super) fn broken(&self, id: ItemId) -> Option<State> {
        let (held, _) = self.items.get(&id).filter(|(held, _)| held.broken.is_some())?;
        Some(held.view.record.state.clone())
    }

    /// Changes an item, and writes down what is to be told of it; nothing if it is not there, or cannot be read.
    pub(super) fn change<T>(
        &mut self,
        id: ItemId,
        now: Timestamp,
        change: impl FnOnce(&mut View) -> T,
    ) -> Option<T> {
        let (held, _) = self.items.get_mut(&id).filter(|(held, _)| held.broken.is_none())?;
        let before = held.view.record.clone();
        let changed = change(&mut held.view);
        self.notices.extend(notice::of_change(&held.view, &before, now));
        Some(changed)
    }
}

impl<'c> Desk<'c> {
    pub(super) fn new(connection: &'c mut PgConnection, house: &'c House) -> Self {
        Desk { connection, house, side: Side::Rest, now: None, counted: BTreeMap::new() }
    }

    pub(super) fn sql(&self, sql: &str) -> String {
        self.house.schema.sql(sql)
    }

    /// What time it is for this transaction.
    pub(super) async fn now(&mut self) -> Done<Timestamp> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = match &self.house.clock {
            Some(clock) => clock.now(),
            None => {
                let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
                let millis: i64 = sqlx::query_scalar(clock).fetch_one(&mut *self.connection).await?;
                Timestamp(millis.cast_unsigned())
            }
        };
        Ok(*self.now.insert(now))
    }

    /// Locks items, in the order of their numbers, and opens them.
    pub(super) async fn open(&mut self, ids: impl Iterator<Item = ItemId>) -> Done<Open> {
        let sql =
            self.sql(&format!("SELECT {COLUMNS} FROM @.item WHERE id = ANY($1) ORDER BY id FOR UPDATE"));
        let ids: Vec<i64> = ids.map(|id| id.0.cast_signed()).collect();
        Open::of(&sqlx::query(&sql).bind(ids).fetch_all(&mut *self.connection).await?)
    }

    /// Writes back what has changed, and stores what is to be told of it.
    pub(super) async fn close(&mut self, mut open: Open) -> Done<()> {
        let now = self.now().await?;
        let (mut changed, mut broken) = (Vec::new(), Vec::new());
        for (mut held, mut before) in open.items.into_values() {
            let Some(why) = held.broken else {
                if held.view.record != before {
                    self.count(&held, &before);
                    changed.push(held.view);
                }
                continue;
            };
            if why.live {
                before.state = State::Ready;
                held.view.record.ended_at = Some(now);
                self.count(&held, &before);
                open.notices.extend(notice::of_change(&held.view, &before, now));
                broken.push(held.view);
            }
        }
        self.save(&changed).await?;
        self.bury(&broken).await?;
        self.insert(&open.notices.iter().collect::<Vec<_>>()).await?;
        Ok(())
    }

    fn count(&mut self, held: &Held, before: &Record) {
        let (was, is) = (Counts::of(before, held.bytes), Counts::of(&held.view.record, held.bytes));
        let change =
            Counts { live: is.live - was.live, bytes: is.bytes - was.bytes, dead: is.dead - was.dead };
        self.add(&held.view.queue, before.class as i16, change);
    }

    pub(super) fn add(&mut self, queue: &str, class: i16, counts: Counts) {
        let sum = self.counted.entry((queue.into(), class)).or_default();
        *sum = Counts {
            live: sum.live + counts.live,
            bytes: sum.bytes + counts.bytes,
            dead: sum.dead + counts.dead,
        };
    }

    async fn save(&mut self, items: &[View]) -> Done<()> {
        if items.is_empty() {
            return Ok(());
        }
        let window = self.house.limits.provider_window;
        let kept_until = items.iter().map(|item| item.kept_until(window).map(millis)).collect::<Vec<_>>();
        let sql = self.sql(
            "UPDATE @.item SET state = new.state, death = new.death, needs_check = new.needs_check, \
             attempts = new.attempts, crashes = new.crashes, due_at = new.due_at, expires_at = new.expires_at, \
             first_attempt_at = new.first_attempt_at, lease = new.lease, lease_until = new.lease_until, \
             ended_at = new.ended_at, keep_until = new.keep_until, result = new.result, reason = new.reason, \
             last_lease = new.last_lease, delayed_at = new.delayed_at \
             FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
             $14::bytea[], $15::text[], $16::bigint[], $17::bigint[]) \
             AS new (id, state, death, needs_check, attempts, crashes, due_at, expires_at, first_attempt_at, lease, \
             lease_until, ended_at, keep_until, result, reason, last_lease, delayed_at) WHERE item.id = new.id",
        );
        let update = sqlx::query(&sql)
            .bind(items.iter().map(|item| item.id.0.cast_signed()).collect::<Vec<_>>())
            .bind(each(items, |record| number(&record.state)))
            .bind(each(items, death))
            .bind(each(items, |record| record.needs_check))
            .bind(each(items, |record| i64::from(record.attempts)))
            .bind(each(items, |record| i64::from(record.crashes)))
            .bind(each(items, |record| millis(record.due_at)))
            .bind(each(items, |record| millis(record.expires_at)))
            .bind(each(items, |record| record.first_attempt_at.map(millis)))
            .bind(each(items, |record| record.lease.map(|lease| lease.number.cast_signed())))
            .bind(each(items, |record| record.lease.map(|lease| millis(lease.until))))
            .bind(each(items, |record| record.ended_at.map(millis)))
            .bind(kept_until)
            .bind(each(items, |record| record.result.as_deref()))
            .bind(each(items, |record| record.reason.as_deref().map(text)))
            .bind(each(items, |record| record.last_lease.cast_signed()))
            .bind(each(items, |record| record.delayed_at.map(millis)));
        update.execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Writes of items that cannot be read that they are dead, and leaves the rest of their rows as it is.
    async fn bury(&mut self, items: &[View]) -> Done<()> {
        for item in items {
            let sql = self.sql(
                "UPDATE @.item SET state = $2, death = $3, ended_at = $4, reason = $5, lease = NULL, lease_until = NULL \
                 WHERE id = $1",
            );
            let update = sqlx::query(&sql).bind(item.id.0.cast_signed()).bind(number(&item.record.state));
            let update = update.bind(death(&item.record)).bind(item.record.ended_at.map(millis));
            update.bind(item.record.reason.as_deref()).execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    /// Stores new items. A key that is there already is left as it is, and out of the answer.
    pub(super) async fn insert(&mut self, items: &[&NewItem]) -> Done<HashMap<(String, String), ItemId>> {
        let mut stored = HashMap::new();
        if items.is_empty() {
            return Ok(stored);
        }
        let now = self.now().await?;
        let records: Vec<Record> = items.iter().map(|item| item.record(now)).collect();
        let sql = self.sql(
            "INSERT INTO @.item (queue, key, fingerprint, payload, bytes, format, class, needs_check, max_attempts, \
             max_crashes, created_at, due_at, expires_at, contact, events, delayed_at) \
             SELECT queue, key, fingerprint, payload, length(payload), format, class, needs_check, max_attempts, \
             max_crashes, $10, due_at, expires_at, contact, events, delayed_at \
             FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::integer[], $6::smallint[], $7::boolean[], \
             $8::bigint[], $9::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::smallint[], $15::bigint[]) \
             WITH ORDINALITY AS new (queue, key, fingerprint, payload, format, class, needs_check, max_attempts, \
             max_crashes, due_at, expires_at, contact, events, delayed_at, place) \
             WHERE NOT EXISTS (SELECT FROM @.item AS there WHERE there.queue = new.queue AND there.key = new.key) ORDER BY place \
             ON CONFLICT (queue, key) DO NOTHING RETURNING id, queue, key, class, bytes",
        );
        let insert = sqlx::query(&sql)
            .bind(items.iter().map(|item| &*item.queue).collect::<Vec<_>>())
            .bind(items.iter().map(|item| &*item.key).collect::<Vec<_>>())
            .bind(items.iter().map(|item| &*item.fingerprint).collect::<Vec<_>>())
            .bind(items.iter().map(|item| &*item.payload).collect::<Vec<_>>())
            .bind(items.iter().map(|item| i32::from(item.format)).collect::<Vec<_>>())
            .bind(of(&records, |record| record.class as i16))
            .bind(of(&records, |record| record.needs_check))
            .bind(of(&records, |record| i64::from(record.max_attempts)))
            .bind(of(&records, |record| i64::from(record.max_crashes)))
            .bind(millis(now))
            .bind(of(&records, |record| millis(record.due_at)))
            .bind(of(&records, |record| millis(record.expires_at)))
            .bind(of(&records, |record| record.contact.as_deref()))
            .bind(of(&records, |record| i16::from(record.events.0)))
            .bind(of(&records, |record| record.delayed_at.map(millis)));
        for row in insert.fetch_all(&mut *self.connection).await? {
            let (queue, key): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            self.add(&queue, row.try_get(3)?, Counts { live: 1, bytes: row.try_get(4)?, dead: 0 });
            stored.insert((queue, key), ItemId(row.try_get::<i64, _>(0)?.cast_unsigned()));
        }
        Ok(stored)
    }

    /// Erases items, and does not count them any more.
    pub(super) async fn erase(&mut self, items: &[View]) -> Done<()> {
        for item in items {
            let is = Counts::of(&item.record, 0);
            self.add(&item.queue, item.record.class as i16, Counts { dead: -is.dead, ..Counts::default() });
        }
        let ids: Vec<i64> = items.iter().map(|item| item.id.0.cast_signed()).collect();
        let sql = self.sql("DELETE FROM @.item WHERE id = ANY($1)");
        sqlx::query(&sql).bind(ids).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Writes the counters: the last thing that a transaction does.
    pub(super) async fn end(self) -> Done<()> {
        let zero = |counts: &Counts| (counts.live, counts.bytes, counts.dead) == (0, 0, 0);
        let counted: Vec<_> = self.counted.iter().filter(|(_, counts)| !zero(counts)).collect();
        if counted.is_empty() {
            return Ok(());
        }
        let sql = self.sql(
            "INSERT INTO @.tally AS tally (queue, class, side, live, bytes, dead) \
             SELECT queue, class, $6, live, bytes, dead \
             FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
             AS new (queue, class, live, bytes, dead) ORDER BY 1, 2 ON CONFLICT (queue, class, side) DO UPDATE SET live = tally.live + excluded.live, \
             bytes = tally.bytes + excluded.bytes, dead = tally.dead + excluded.dead",
        );
        let write = sqlx::query(&sql)
            .bind(counted.iter().map(|((queue, _), _)| &**queue).collect::<Vec<_>>())
            .bind(counted.iter().map(|((_, class), _)| *class).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, counts)| counts.live).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, counts)| counts.bytes).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, counts)| counts.dead).collect::<Vec<_>>())
            .bind(self.side as i16);
        write.execute(self.connection).await?;
        Ok(())
    }
}

fn death(record: &Record) -> Option<&'static str> {
    match record.state {
        State::Dead(death) => Some(death.as_str()),
        _ => None,
    }
}

fn each<'a, T>(items: &'a [View], read: impl Fn(&'a Record) -> T) -> Vec<T> {
    items.iter().map(|item| read(&item.record)).collect()
}

fn of<'a, T>(records: &'a [Record], read: impl Fn(&'a Record) -> T) -> Vec<T> {
    records.iter().map(read).collect()
}
