//! What is only read.

use super::desk::{Desk, Done};
use super::flights::LEASED;
use super::rows::{COLUMNS, REST, number_of, view};
use crate::clock::Timestamp;
use crate::item::{Entry, ItemId, View};
use crate::order::Audited;
use crate::store::Filter;
use crate::tally::Stats;
use rusqlite::{Params, Row, params};

impl Desk {
    pub(super) fn select(&self, rest: &str, params: impl Params) -> Done<Vec<View>> {
        self.all(&format!("SELECT {COLUMNS} FROM item {rest}"), params, view)
    }

    pub(super) fn find(&self, queue: &str, key: &str) -> Done<Option<View>> {
        self.one(&format!("SELECT {COLUMNS} FROM item WHERE queue = ?1 AND key = ?2"), [queue, key], view)
    }

    pub(super) fn list(&self, filter: &Filter, limit: usize) -> Done<Vec<View>> {
        self.select(
            "WHERE (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR class = ?3) \
             AND (?4 IS NULL OR death = ?4) AND (?6 IS NULL OR id = ?6) AND (?7 IS NULL OR key = ?7) \
             AND (?8 IS NULL OR id > ?8) ORDER BY id LIMIT ?5",
            params![
                filter.queue,
                filter.state.map(|name| number_of(name).unwrap_or(-1)),
                filter.class.map(|class| class as i64),
                filter.death.map(|death| death.as_str()),
                limit,
                filter.id.map(|id| id.0.cast_signed()),
                filter.key,
                filter.after.map(|after| after.0.cast_signed()),
            ],
        )
    }

    pub(super) fn show(&self, id: ItemId) -> Done<Option<Entry>> {
        let sql = format!("SELECT {COLUMNS}, payload, format FROM item WHERE id = ?1");
        let read = |row: &Row<'_>| {
            Ok(Entry { view: view(row)?, payload: row.get(REST)?, format: row.get(REST + 1)? })
        };
        self.one(&sql, [id.0.cast_signed()], read)
    }

    pub(super) fn audit(&self, limit: usize) -> Done<Vec<Audited>> {
        let sql = "SELECT at, actor, act, filter, items, reason FROM audit ORDER BY id DESC LIMIT ?1";
        self.all(sql, [limit], |row| {
            Ok(Audited {
                at: Timestamp(row.get::<_, i64>(0)?.cast_unsigned()),
                actor: row.get(1)?,
                act: row.get(2)?,
                filter: row.get(3)?,
                items: row.get(4)?,
                reason: row.get(5)?,
            })
        })
    }

    pub(super) fn queues(&self) -> Done<Vec<String>> {
        self.all("SELECT DISTINCT queue FROM tally ORDER BY queue", (), |row| row.get(0))
    }

    pub(super) fn is_paused(&self, queue: &str) -> Done<bool> {
        Ok(self.one("SELECT 1 FROM paused WHERE queue = ?1", [queue], |_| Ok(()))?.is_some())
    }

    pub(super) fn stats(&mut self, queue: &str) -> Done<Stats> {
        let mut stats = Stats { paused: self.is_paused(queue)?, ..Stats::default() };
        for (class, sum) in stats.classes.iter_mut().zip(self.sums(queue)?) {
            let [live, bytes, dead, checks] =
                [sum.live, sum.bytes, sum.dead, sum.checks].map(|sum| sum.max(0).cast_unsigned());
            (class.live, class.bytes, class.dead) = (live, bytes, dead);
            stats.needs_check += checks;
        }
        let leased = format!("SELECT COUNT(*) FROM {LEASED} WHERE queue = ?1");
        stats.leased = self.one(&leased, [queue], |row| row.get(0))?.unwrap_or_default();
        stats.oldest_created_at = self.oldest(queue)?;
        Ok(stats)
    }

    fn oldest(&mut self, queue: &str) -> Done<Option<Timestamp>> {
        if !self.unended.knows(queue) {
            let id = |row: &Row<'_>| row.get::<_, i64>(0).map(i64::cast_unsigned);
            let ready = "SELECT id FROM item INDEXED BY item_due WHERE state = 0 AND queue = ?1";
            self.unended.learn(queue, self.all(ready, [queue], id)?);
            let leased = format!("SELECT item.id FROM {LEASED} WHERE queue = ?1");
            self.unended.learn(queue, self.all(&leased, [queue], id)?);
        }
        let Some(oldest) = self.unended.oldest(queue) else { return Ok(None) };
        let created = "SELECT created_at FROM item WHERE id = ?1";
        self.one(created, [oldest.cast_signed()], |row| Ok(Timestamp(row.get::<_, i64>(0)?.cast_unsigned())))
    }
}
