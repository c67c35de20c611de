//! Counters by queue and class: read once by an owner, and written by each transaction that changes them, before it is committed.

use super::desk::{Desk, Done};
use crate::item::View;
use crate::record::{Record, State};
use fusebox_core::Priority;
use rusqlite::params;
use std::collections::BTreeMap;

/// The counters that an owner has looked at; what has changed since the last commit is not in the file.
#[derive(Default)]
pub(super) struct Counts {
    queues: BTreeMap<String, [Count; 4]>,
    changed: bool,
}

/// The counters of one class of a queue.
#[derive(Clone, Copy, Default)]
struct Count {
    sum: Sums,
    /// Whether the file does not know them yet.
    changed: bool,
}

/// What a change does to the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) live: i64,
    pub(super) bytes: i64,
    pub(super) dead: i64,
    pub(super) checks: i64,
}

impl Sums {
    pub(super) fn between(before: &Record, after: &Record, bytes: impl FnOnce() -> Done<i64>) -> Done<Sums> {
        let dead = |record: &Record| i64::from(matches!(record.state, State::Dead(_)));
        let checks = |record: &Record| i64::from(record.state.is_live() && record.needs_check);
        let live = i64::from(after.state.is_live()) - i64::from(before.state.is_live());
        let bytes = if live == 0 { 0 } else { live * bytes()? };
        Ok(Sums { live, bytes, dead: dead(after) - dead(before), checks: checks(after) - checks(before) })
    }

    /// What is not there any more.
    pub(super) fn gone(item: &View) -> Sums {
        Sums { dead: -i64::from(matches!(item.record.state, State::Dead(_))), ..Sums::default() }
    }
}

impl Counts {
    pub(super) fn clear(&mut self) {
        self.queues.clear();
        self.changed = false;
    }
}

impl Desk {
    fn counts_of(&mut self, queue: &str) -> Done<&mut [Count; 4]> {
        if !self.counts.queues.contains_key(queue) {
            let sql = "SELECT class, live, bytes, dead, checks FROM tally WHERE queue = ?1";
            let rows = self.all(sql, [queue], |row| {
                let sum =
                    Sums { live: row.get(1)?, bytes: row.get(2)?, dead: row.get(3)?, checks: row.get(4)? };
                Ok((row.get::<_, usize>(0)?, sum))
            })?;
            let mut counts = [Count::default(); 4];
            for (class, sum) in rows {
                if let Some(found) = counts.get_mut(class) {
                    found.sum = sum;
                }
            }
            self.counts.queues.insert(queue.to_owned(), counts);
        }
        Ok(self.counts.queues.get_mut(queue).expect("it was put there"))
    }

    /// The counters of a queue, by class.
    pub(super) fn sums(&mut self, queue: &str) -> Done<[Sums; 4]> {
        self.counts_of(queue).map(|counts| counts.map(|count| count.sum))
    }

    /// How many items of a queue have not ended, and the bytes of their payloads.
    pub(super) fn held(&mut self, queue: &str) -> Done<(u64, u64)> {
        let counts = self.counts_of(queue)?;
        let sum = |of: fn(&Sums) -> i64| {
            counts.iter().map(|count| of(&count.sum)).sum::<i64>().max(0).cast_unsigned()
        };
        Ok((sum(|sum| sum.live), sum(|sum| sum.bytes)))
    }

    pub(super) fn count(&mut self, queue: &str, class: Priority, change: Sums) -> Done<()> {
        if change == Sums::default() {
            return Ok(());
        }
        let count = &mut self.counts_of(queue)?[class as usize];
        count.sum.live += change.live;
        count.sum.bytes += change.bytes;
        count.sum.dead += change.dead;
        count.sum.checks += change.checks;
        count.changed = true;
        self.counts.changed = true;
        Ok(())
    }

    /// Writes what has been counted.
    pub(super) fn write_counts(&mut self) -> Done<()> {
        if !self.counts.changed {
            return Ok(());
        }
        let mut counts = std::mem::take(&mut self.counts);
        let written = counts.queues.iter_mut().try_for_each(|(queue, counts)| self.write(queue, counts));
        counts.changed = written.is_err();
        // What could not be written is still to be: without it there is no commit.
        self.counts = counts;
        written
    }

    fn write(&self, queue: &str, counts: &mut [Count; 4]) -> Done<()> {
        for (class, count) in counts.iter_mut().enumerate().filter(|(_, count)| count.changed) {
            let Sums { live, bytes, dead, checks } = count.sum;
            self.run(
                "INSERT INTO tally (queue, class, live, bytes, dead, checks) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT DO UPDATE SET live = ?3, bytes = ?4, dead = ?5, checks = ?6",
                params![queue, class, live, bytes, dead, checks],
            )?;
            count.changed = false;
        }
        Ok(())
    }
}
