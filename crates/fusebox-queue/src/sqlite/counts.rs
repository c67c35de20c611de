//! Counters by queue and class: read once by a transaction, and written once, before it is committed.

use super::desk::{Desk, Done};
use fusebox_core::Priority;
use rusqlite::params;
use std::collections::HashMap;

/// The counters that a transaction has looked at.
pub(super) type Counts = HashMap<String, [Count; 4]>;

/// The counters of one class of a queue.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    live: i64,
    bytes: i64,
    dead: i64,
    /// Whether the file does not know them yet.
    changed: bool,
}

impl Desk {
    fn counts_of(&mut self, queue: &str) -> Done<&mut [Count; 4]> {
        if !self.counts.contains_key(queue) {
            let sql = "SELECT class, live, bytes, dead FROM tally WHERE queue = ?1";
            let rows = self.all(sql, [queue], |row| {
                let (live, bytes, dead) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok((row.get::<_, usize>(0)?, Count { live, bytes, dead, changed: false }))
            })?;
            let mut counts = [Count::default(); 4];
            for (class, count) in rows {
                if let Some(found) = counts.get_mut(class) {
                    *found = count;
                }
            }
            self.counts.insert(queue.to_owned(), counts);
        }
        Ok(self.counts.get_mut(queue).expect("it was put there"))
    }

    /// How many items of a queue have not ended, and the bytes of their payloads.
    pub(super) fn held(&mut self, queue: &str) -> Done<(u64, u64)> {
        let counts = self.counts_of(queue)?;
        let sum = |of: fn(&Count) -> i64| counts.iter().map(of).sum::<i64>().max(0).cast_unsigned();
        Ok((sum(|count| count.live), sum(|count| count.bytes)))
    }

    pub(super) fn count(
        &mut self,
        queue: &str,
        class: Priority,
        (live, bytes, dead): (i64, i64, i64),
    ) -> Done<()> {
        let count = &mut self.counts_of(queue)?[class as usize];
        count.live += live;
        count.bytes += bytes;
        count.dead += dead;
        count.changed = true;
        Ok(())
    }

    /// Writes what has been counted.
    pub(super) fn write_counts(&mut self) -> Done<()> {
        let mut counts = std::mem::take(&mut self.counts);
        let written = counts.iter_mut().try_for_each(|(queue, counts)| self.write(queue, counts));
        // What could not be written is still to be: without it there is no commit.
        self.counts = counts;
        written
    }

    fn write(&self, queue: &str, counts: &mut [Count; 4]) -> Done<()> {
        for (class, count) in counts.iter_mut().enumerate().filter(|(_, count)| count.changed) {
            self.run(
                "INSERT INTO tally VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT DO UPDATE SET live = ?3, bytes = ?4, dead = ?5",
                params![queue, class, count.live, count.bytes, count.dead],
            )?;
            count.changed = false;
        }
        Ok(())
    }
}
