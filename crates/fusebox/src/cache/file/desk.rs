//! What is done in the open file.

use crate::cache::second::wall::Wall;
use crate::cache::second::{Place, Write};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Entries that make room at once.
const AT_ONCE: u64 = 64;
/// Another process may write to the file, too: what is held is counted anew after this many batches.
const RECOUNT: u32 = 256;

/// The file, open.
pub(super) struct Desk {
    connection: Connection,
    max_bytes: u64,
    /// What the entries weigh.
    held: u64,
    batches: u32,
}

impl Desk {
    pub(super) fn new(connection: Connection, max_bytes: u64) -> rusqlite::Result<Self> {
        let mut desk = Desk { connection, max_bytes, held: 0, batches: 0 };
        desk.held = desk.count()?;
        Ok(desk)
    }

    pub(super) fn get(&self, place: &Place, most: usize) -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT bytes FROM cache WHERE entry = ?1 AND size <= ?2";
        let mut select = self.connection.prepare_cached(sql)?;
        select
            .query_row(params![place.entry, i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))
            .optional()
    }

    /// Does all of these or none.
    pub(super) fn apply(&mut self, writes: &[Write]) -> rusqlite::Result<()> {
        let now = Wall::default().now();
        let transaction = self.connection.transaction()?;
        let mut added = 0;
        for write in writes {
            match write {
                Write::Put { place, bytes, keep_for } => {
                    let sql = "INSERT OR REPLACE INTO cache (entry, grp, bytes, size, expires_at) \
                               VALUES (?1, ?2, ?3, ?4, ?5)";
                    let expires_at = millis(now.saturating_add(*keep_for));
                    let size = bytes.len() as i64;
                    let put = params![place.entry, place.group, bytes, size, expires_at];
                    transaction.prepare_cached(sql)?.execute(put)?;
                    added += bytes.len() as u64;
                }
                Write::Forget(Place { group: Some(group), .. }) => {
                    transaction.prepare_cached("DELETE FROM cache WHERE grp = ?1")?.execute([group])?;
                }
                Write::Forget(place) => {
                    transaction
                        .prepare_cached("DELETE FROM cache WHERE entry = ?1")?
                        .execute([&place.entry])?;
                }
            }
        }
        transaction.commit()?;
        self.held += added;
        self.batches += 1;
        if self.held > self.max_bytes || self.batches.is_multiple_of(RECOUNT) {
            self.make_room(now)?;
        }
        Ok(())
    }

    /// Those that have expired go first, and then those that were written first.
    fn make_room(&mut self, now: Duration) -> rusqlite::Result<()> {
        self.connection.execute("DELETE FROM cache WHERE expires_at <= ?1", [millis(now)])?;
        self.held = self.count()?;
        while self.held > self.max_bytes {
            let sql = "DELETE FROM cache WHERE id IN (SELECT id FROM cache ORDER BY id LIMIT ?1)";
            if self.connection.execute(sql, [AT_ONCE.cast_signed()])? == 0 {
                break;
            }
            self.held = self.count()?;
        }
        Ok(())
    }

    fn count(&self) -> rusqlite::Result<u64> {
        let sum = self
            .connection
            .query_row("SELECT COALESCE(SUM(size), 0) FROM cache", (), |row| row.get::<_, i64>(0))?;
        Ok(sum.max(0).cast_unsigned())
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
