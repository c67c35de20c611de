//! Writing items back, each time no more of them than has changed: an index costs what it costs for every column that is named.

use super::desk::{Desk, Done};
use super::rows::{millis, number};
use crate::clock::Timestamp;
use crate::item::{NewItem, View};
use crate::notice;
use crate::record::{Record, State};
use rusqlite::params;

impl Desk {
    /// Writes an item back, and counts what has changed. The `bytes` of its payload are looked up if they are not known.
    pub(super) fn save(&mut self, item: &View, before: &Record, bytes: Option<i64>) -> Done<()> {
        let record = &item.record;
        let death = match record.state {
            State::Dead(death) => Some(death.as_str()),
            _ => None,
        };
        // The dead are kept until somebody has looked at them.
        let forget = !record.state.is_live() && death.is_none();
        let keep_until = forget.then(|| millis(record.keep_until(self.limits.provider_window)));
        if is_done_only(record, before) {
            self.run(
                "UPDATE item SET state = 2, lease = NULL, lease_until = NULL, ended_at = ?2, keep_until = ?3, result = ?4 \
                 WHERE id = ?1",
                params![item.id.0.cast_signed(), record.ended_at.map(millis), keep_until, record.result],
            )?;
        } else {
            self.save_all(item, (death, keep_until))?;
        }
        let live = i64::from(record.state.is_live()) - i64::from(before.state.is_live());
        let dead = |record: &Record| i64::from(matches!(record.state, State::Dead(_)));
        let dead = dead(record) - dead(before);
        if live != 0 || dead != 0 {
            let known = |bytes| Ok(Some(bytes));
            let sql = "SELECT bytes FROM item WHERE id = ?1";
            let bytes =
                bytes.map_or_else(|| self.one(sql, [item.id.0.cast_signed()], |row| row.get(0)), known)?;
            self.count(&item.queue, record.class, (live, live * bytes.unwrap_or(0), dead))?;
        }
        let now = self.clock.now();
        notice::of_change(item, before, now).map_or(Ok(()), |notice| self.tell(&notice, now))
    }

    /// Writes back what leasing has changed, and touches no index that does not care.
    pub(super) fn save_lease(&self, item: &View) -> Done<()> {
        let record = &item.record;
        self.run(
            "UPDATE item SET state = 1, attempts = ?2, first_attempt_at = ?3, lease = ?4, lease_until = ?5, \
             last_lease = ?4 WHERE id = ?1",
            params![
                item.id.0.cast_signed(),
                record.attempts,
                record.first_attempt_at.map(millis),
                record.last_lease.cast_signed(),
                record.lease.map(|lease| millis(lease.until)),
            ],
        )
        .map(drop)
    }

    fn save_all(&self, item: &View, (death, keep_until): (Option<&str>, Option<i64>)) -> Done<()> {
        let record = &item.record;
        self.run(
            "UPDATE item SET state = ?2, death = ?3, needs_check = ?4, attempts = ?5, crashes = ?6, due_at = ?7, \
             expires_at = ?8, first_attempt_at = ?9, lease = ?10, lease_until = ?11, ended_at = ?12, keep_until = ?13, \
             result = ?14, reason = ?15, last_lease = ?16, delayed_at = ?17 WHERE id = ?1",
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
                record.lease.map(|lease| lease.number.cast_signed()),
                record.lease.map(|lease| millis(lease.until)),
                record.ended_at.map(millis),
                keep_until,
                record.result,
                record.reason,
                record.last_lease.cast_signed(),
                record.delayed_at.map(millis),
            ],
        )
        .map(drop)
    }

    /// Stores a notice, unless the same has been told in this very moment.
    fn tell(&mut self, notice: &NewItem, now: Timestamp) -> Done<()> {
        let known = "SELECT 1 FROM item WHERE queue = ?1 AND key = ?2";
        match self.one(known, [&notice.queue, &notice.key], |_| Ok(()))? {
            Some(()) => Ok(()),
            None => self.insert(notice, now).map(drop),
        }
    }
}

/// Whether a leased item's call was made, and nothing else has changed.
fn is_done_only(record: &Record, before: &Record) -> bool {
    before.state == State::Leased && record.state == State::Done && {
        let Record { state, lease, ended_at, result, .. } = record.clone();
        *record == Record { state, lease, ended_at, result, ..before.clone() } && lease.is_none()
    }
}
