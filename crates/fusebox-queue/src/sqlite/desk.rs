//! What is done within a transaction.

use super::counts::Counts;
use super::flights::{Flights, LEASED};
use super::log::Log;
use super::oldest::Unended;
use super::rows::{failed, millis};
use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::Limits;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};
use std::path::PathBuf;
use std::time::Duration;

/// How long another connection's write is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// How often the file is told what time it is.
const TELL_TIME: Duration = Duration::from_secs(1);

/// The file, open, and whose it is.
pub(super) struct Desk {
    connection: Connection,
    pub(super) path: PathBuf,
    pub(super) limits: Limits,
    /// Pages of the file that items may take.
    pub(super) most_pages: i64,
    pub(super) clock: StoreClock,
    /// Which of the file's owners this is.
    pub(super) epoch: i64,
    /// Leases given out by this one.
    pub(super) leases: u32,
    /// The number of the latest item.
    pub(super) last_id: u64,
    /// When the file was last told the time.
    told: Timestamp,
    log: Log,
    // What is known without being read; all of it is forgotten when a transaction is undone.
    pub(super) counts: Counts,
    pub(super) flights: Flights,
    pub(super) unended: Unended,
}

pub(super) type Done<T> = Result<T, StoreError>;

impl Desk {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        (limits, most_pages): (Limits, i64),
        clock: StoreClock,
    ) -> Self {
        let log = Log::new(&connection);
        Desk {
            connection,
            path,
            limits,
            most_pages,
            clock,
            epoch: 0,
            leases: 0,
            last_id: 0,
            told: Timestamp(0),
            log,
            counts: Counts::default(),
            flights: Flights::default(),
            unended: Unended::default(),
        }
    }

    /// Another on the same file, with a connection of its own, that is only asked what is in it.
    pub(super) fn for_reading(&self, connection: Connection) -> Desk {
        let limits = (self.limits, self.most_pages);
        Desk::new(connection, self.path.clone(), limits, self.clock.clone())
    }

    /// Forgets what it knows without reading.
    pub(super) fn forget(&mut self) {
        self.counts.clear();
        self.flights.clear();
        self.unended.clear();
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> StoreError {
        failed(&self.path, error)
    }

    pub(super) fn prepare(&self, sql: &str) -> Done<CachedStatement<'_>> {
        self.connection.prepare_cached(sql).map_err(|error| self.failed(error))
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> Done<usize> {
        self.prepare(sql)?.execute(params).map_err(|error| self.failed(error))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Done<Option<T>> {
        let found = self.connection.prepare_cached(sql);
        found
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(|error| self.failed(error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Done<Vec<T>> {
        let found = self.connection.prepare_cached(sql);
        found
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| self.failed(error))
    }

    /// Begins a transaction, if the file is still ours.
    pub(super) fn begin(&mut self) -> Done<()> {
        self.run("BEGIN IMMEDIATE", ())?;
        let epoch = self.one("SELECT epoch FROM owner", (), |row| row.get::<_, i64>(0))?;
        if epoch != Some(self.epoch) {
            return Err(StoreError::Fenced(self.path.clone()));
        }
        let now = self.clock.now();
        if now >= self.told.after(TELL_TIME) {
            self.run("UPDATE owner SET seen_at = MAX(seen_at, ?1)", [millis(now)])?;
            self.told = now;
        }
        Ok(())
    }

    /// Does a part of a transaction, and undoes it when it answers `false`.
    pub(super) fn within(&mut self, part: impl FnOnce(&mut Desk) -> bool) -> Done<()> {
        self.write_counts()?;
        self.run("SAVEPOINT part", ())?;
        if !part(self) {
            self.check_open()?;
            self.run("ROLLBACK TO part", ())?;
            self.forget();
        }
        self.run("RELEASE part", ()).map(drop)
    }

    /// Whether there is a transaction still: a full disk ends it.
    pub(super) fn check_open(&self) -> Done<()> {
        if self.connection.is_autocommit() { Err(StoreError::DiskFull(self.path.clone())) } else { Ok(()) }
    }

    /// Grows with every row that is changed; nothing is counted without one.
    pub(super) fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    pub(super) fn commit(&mut self) -> Done<()> {
        self.write_counts()?;
        self.run("COMMIT", ()).map(drop)
    }

    pub(super) fn roll_back(&mut self) {
        self.forget();
        if !self.connection.is_autocommit() {
            let _ = self.run("ROLLBACK", ());
        }
    }

    /// Folds the write-ahead log into the file, and cuts it off.
    pub(super) fn checkpoint(&mut self) {
        self.log.cut_off(&self.connection);
    }

    pub(super) fn checkpoint_if_long(&mut self) {
        self.log.fold_if_long(&self.connection);
    }

    /// Becomes the file's owner. What the last one had leased is nobody's now, and may have been sent.
    pub(super) fn take_over(&mut self) -> Done<()> {
        self.run("BEGIN IMMEDIATE", ())?;
        let taken = self.one("UPDATE owner SET epoch = epoch + 1 RETURNING epoch", (), |row| row.get(0));
        let taken = taken.and_then(|epoch| {
            self.epoch = epoch.unwrap_or(1);
            self.last_id = self.read_last_id()?;
            let now = self.clock.now();
            let leased = format!("WHERE id IN (SELECT item.id FROM {LEASED})");
            for mut item in self.select(&leased, ())? {
                let before = item.record.clone();
                item.record.crashed(now);
                self.save(&item, &before, None)?;
            }
            self.run("DELETE FROM flight", ())?;
            self.commit()
        });
        if taken.is_err() {
            self.roll_back();
        }
        taken
    }

    /// The latest item may have been erased: then the file says what number it had.
    fn read_last_id(&self) -> Done<u64> {
        let sql = "SELECT MAX(last_id, (SELECT COALESCE(MAX(id), 0) FROM item)) FROM owner";
        Ok(self.one(sql, (), |row| row.get::<_, i64>(0))?.unwrap_or_default().cast_unsigned())
    }

    /// Lets no number be given again, in a transaction that erases items.
    pub(super) fn write_last_id(&self) -> Done<()> {
        self.run("UPDATE owner SET last_id = ?1", [self.last_id.cast_signed()]).map(drop)
    }
}
