//! Taking items.

use super::counts::Sums;
use super::desk::{Desk, Done};
use super::rows::{millis, state};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::{ItemId, NewItem, View};
use crate::notice;
use crate::record::Record;
use crate::store::Enqueued;
use rusqlite::params;

impl Desk {
    pub(super) fn enqueue(&mut self, items: &[NewItem]) -> Done<Vec<Enqueued>> {
        items.iter().try_for_each(|item| item.check(&self.limits))?;
        self.check_room()?;
        let now = self.clock.now();
        items.iter().map(|item| self.enqueue_one(item, now)).collect()
    }

    /// Whether the file may grow by what is enqueued.
    fn check_room(&self) -> Done<()> {
        if self.most_pages == i64::MAX {
            return Ok(());
        }
        let pages = |sql| self.one(sql, (), |row| row.get::<_, i64>(0)).map(Option::unwrap_or_default);
        let taken = pages("PRAGMA page_count")? - pages("PRAGMA freelist_count")?;
        if taken >= self.most_pages { Err(StoreError::DiskFull(self.path.clone())) } else { Ok(()) }
    }

    fn enqueue_one(&mut self, item: &NewItem, now: Timestamp) -> Done<Enqueued> {
        let (depth, bytes) = self.held(&item.queue)?;
        let full =
            depth >= self.limits.max_items || bytes + item.payload.len() as u64 > self.limits.max_bytes;
        if !full && let Some(id) = self.insert(item, now)? {
            return Ok(Enqueued::Stored(id));
        }
        let known = "SELECT id, state, death, fingerprint = ?3 FROM item WHERE queue = ?1 AND key = ?2";
        let known = self.one(known, params![item.queue, item.key, item.fingerprint], |row| {
            let (id, state) = (row.get::<_, i64>(0)?, state(row.get(1)?, row.get_ref(2)?.as_str_or_null()?));
            Ok((ItemId(id.cast_unsigned()), state, row.get::<_, bool>(3)?))
        })?;
        Ok(match known {
            Some((id, state, true)) => Enqueued::Duplicate { id, state },
            Some((id, _, false)) => Enqueued::KeyConflict(id),
            None => Enqueued::Full { depth, bytes },
        })
    }

    /// Stores an item and the notice that it is kept, unless its key is known.
    pub(super) fn insert(&mut self, item: &NewItem, now: Timestamp) -> Done<Option<ItemId>> {
        let record = item.record(now);
        let id = ItemId(self.last_id + 1);
        if !self.insert_row(id, item, &record)? {
            return Ok(None);
        }
        self.last_id = id.0;
        self.unended.tell(&item.queue, id.0, true);
        let (bytes, checks) = (item.payload.len() as i64, i64::from(record.needs_check));
        self.count(&item.queue, record.class, Sums { live: 1, bytes, dead: 0, checks })?;
        if item.notices.is_some() {
            let view = View { id, queue: item.queue.clone(), key: item.key.clone(), record };
            if let Some(notice) = notice::of_new(&view, now) {
                self.insert(&notice, now)?;
            }
        }
        Ok(Some(id))
    }

    fn insert_row(&self, id: ItemId, item: &NewItem, record: &Record) -> Done<bool> {
        let inserted = self.run(
            "INSERT INTO item (id, queue, key, fingerprint, payload, bytes, format, class, max_attempts, max_crashes, \
             created_at, contact, events, state, needs_check, attempts, crashes, due_at, expires_at, first_attempt_at, \
             delayed_at, spare) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, 0, 0, ?15, ?16, ?17, ?18, zeroblob(25)) \
             ON CONFLICT (key, queue) DO NOTHING",
            params![
                id.0.cast_signed(),
                item.queue,
                item.key,
                item.fingerprint,
                item.payload,
                item.payload.len(),
                item.format,
                record.class as i64,
                record.max_attempts,
                record.max_crashes,
                millis(record.created_at),
                record.contact,
                record.events.0,
                record.needs_check,
                millis(record.due_at),
                millis(record.expires_at),
                record.first_attempt_at.map(millis),
                record.delayed_at.map(millis),
            ],
        )?;
        Ok(inserted == 1)
    }
}
