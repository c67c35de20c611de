//! The write-ahead log: how long it is, and when it is folded into the file.
//!
//! While there is work, the log is folded where it lies and begun again from its start: a log that is cut off and grows again would
//! make every sync write the file's length as well. It is cut off when there is time.

use super::desk::BUSY;
use rusqlite::Connection;
use std::cell::Cell;
use std::time::Duration;

/// Pages of a log that is folded into the file: 16 MiB.
const LONG: i32 = 4_096;

thread_local! {
    /// What the last commit of this thread has left in its log. The hook is a function without a place of its own to write to.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Watches one connection's log, from the thread that commits.
pub(super) struct Log {
    /// When it is folded next.
    fold_at: i32,
}

impl Log {
    pub(super) fn new(connection: &Connection) -> Log {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        Log { fold_at: LONG }
    }

    /// Folds a log that has become long. When somebody reads what it would overwrite, it goes on growing until the next time.
    pub(super) fn fold_if_long(&mut self, connection: &Connection) {
        let pages = PAGES.get();
        if pages < self.fold_at {
            return;
        }
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let folded = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), read);
        let whole = folded.is_ok_and(|(all, folded)| all == folded);
        self.fold_at = if whole { LONG } else { pages.saturating_add(LONG) };
    }

    /// Folds it and cuts it off. When it cannot, the log goes on as it is.
    pub(super) fn cut_off(&mut self, connection: &Connection) {
        // Those who read it are not waited for.
        let _ = connection.busy_timeout(Duration::ZERO);
        let _ = connection.pragma(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()));
        let _ = connection.busy_timeout(BUSY);
        PAGES.set(0);
        self.fold_at = LONG;
    }
}
