//! Writing items back, each time no more of them than has changed: an index costs what it costs for every column that is named.
//!
//! What changes many rows says `OR FAIL`: else SQLite would copy every page beforehand, to undo one statement. A transaction in which
//! one has failed is undone as a whole.

use super::counts::Sums;
use super::desk::{Desk, Done};
use super::rows::{millis, number};
use crate::item::View;
use crate::notice;
use crate::record::{Record, State};
use crate::store::Leased;
use rusqlite::params;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

impl Desk {
    /// Writes an item back, and counts what has changed. The `bytes` of its payload are looked up if they are not known.
    pub(super) fn save(&mut self, item: &View, before: &Record, bytes: Option<i64>) -> Done<()> {
        self.save_all(item)?;
        self.saved(item, before, bytes)
    }

    /// Writes back items of which nothing has changed but that they are done: one statement for all that have come alike.
    pub(super) fn save_done(&mut self, done: Vec<Change>) -> Done<()> {
        let kept = |change: &Change| (change.item.record.ended_at.map(millis), self.kept_until(&change.item));
        let alike = |one: &Change, other: &Change| {
            one.item.record.result == other.item.record.result && kept(one) == kept(other)
        };
        for alike in done.chunk_by(alike) {
            let (ended_at, keep_until) = kept(&alike[0]);
            let ids: Vec<Value> = alike.iter().map(|change| change.item.id.0.cast_signed().into()).collect();
            self.run(
                "UPDATE OR FAIL item SET state = 2, lease_until = NULL, ended_at = ?2, keep_until = ?3, result = ?4, spare = NULL \
                 WHERE id IN rarray(?1)",
                params![Rc::new(ids), ended_at, keep_until, alike[0].item.record.result],
            )?;
        }
        done.iter().try_for_each(|Change { item, before, bytes }| self.saved(item, before, Some(*bytes)))
    }

    fn kept_until(&self, item: &View) -> Option<i64> {
        item.kept_until(self.limits.provider_window).map(millis)
    }

    /// Counts what has changed, and tells of it.
    fn saved(&mut self, item: &View, before: &Record, bytes: Option<i64>) -> Done<()> {
        let record = &item.record;
        self.flights.take(item.id);
        match (before.lease, record.lease) {
            (Some(lease), None) => self.land(lease.number)?,
            (Some(before), Some(lease)) if lease.until < before.until => self.hurry(lease)?,
            _ => {}
        }
        self.unended.tell(&item.queue, item.id.0, record.state.is_live());
        let sql = "SELECT bytes FROM item WHERE id = ?1";
        let look_up =
            || self.one(sql, [item.id.0.cast_signed()], |row| row.get(0)).map(Option::unwrap_or_default);
        let sums = Sums::between(before, record, || bytes.map_or_else(look_up, Ok))?;
        self.count(&item.queue, record.class, sums)?;
        let now = self.clock.now();
        // The same may have been told in this very moment.
        notice::of_change(item, before, now).map_or(Ok(()), |notice| self.insert(&notice, now).map(drop))
    }

    /// Writes back what leasing under one number has changed, and touches no index that does not care: one statement for all that have
    /// come alike. `leased` are items with whether they had been attempted before.
    pub(super) fn save_leases(&self, leased: &[(Leased, bool)]) -> Done<()> {
        let mut alike = BTreeMap::<_, Vec<Value>>::new();
        for (Leased { view, .. }, attempted) in leased {
            let record = &view.record;
            let dated = record.first_attempt_at.filter(|_| !attempted).map(millis);
            let until = record.lease.map(|lease| millis(lease.until));
            let ids = alike.entry((record.attempts, dated, record.last_lease.cast_signed(), until));
            ids.or_default().push(view.id.0.cast_signed().into());
        }
        for ((attempts, dated, number, until), ids) in alike {
            self.run(
                "UPDATE OR FAIL item SET state = 1, attempts = ?2, first_attempt_at = COALESCE(?3, first_attempt_at), last_lease = ?4, \
                 lease_until = ?5, spare = zeroblob(7) WHERE id IN rarray(?1)",
                params![Rc::new(ids), attempts, dated, number, until],
            )?;
        }
        Ok(())
    }

    fn save_all(&self, item: &View) -> Done<()> {
        let record = &item.record;
        let death = match record.state {
            State::Dead(death) => Some(death.as_str()),
            _ => None,
        };
        self.run(
            "UPDATE item SET state = ?2, death = ?3, needs_check = ?4, attempts = ?5, crashes = ?6, due_at = ?7, \
             expires_at = ?8, first_attempt_at = ?9, lease_until = ?10, ended_at = ?11, keep_until = ?12, result = ?13, \
             reason = ?14, last_lease = ?15, delayed_at = ?16 WHERE id = ?1",
            params![
                item.id.0.cast_signed(),
                number(&record.state),
                death,
                record.needs_check,
                record.attempts,
                record.crashes,
                millis(record.due_at),
                millis(record.expires_at),
                record.first_attempt_at.map(millis),
                record.lease.map(|lease| millis(lease.until)),
                record.ended_at.map(millis),
                self.kept_until(item),
                record.result,
                record.reason,
                record.last_lease.cast_signed(),
                record.delayed_at.map(millis),
            ],
        )
        .map(drop)
    }
}

/// An item that has changed.
pub(super) struct Change {
    pub(super) item: View,
    pub(super) before: Record,
    /// Of its payload.
    pub(super) bytes: i64,
}

/// Whether a leased item's call was made, and nothing else has changed.
pub(super) fn is_done_only(record: &Record, before: &Record) -> bool {
    fn rest(record: &Record) -> impl PartialEq + '_ {
        let Record { needs_check, attempts, crashes, due_at, expires_at, .. } = record;
        let Record { first_attempt_at, reason, last_lease, delayed_at, .. } = record;
        (
            (needs_check, attempts, crashes, due_at, expires_at),
            (first_attempt_at, reason, last_lease, delayed_at),
        )
    }
    before.state == State::Leased && record.state == State::Done && rest(record) == rest(before)
}
