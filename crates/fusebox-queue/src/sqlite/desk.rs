//! What is done within a transaction.

use super::counts::Counts;
use super::log::Log;
use super::rows::{COLUMNS, REST, failed, millis, number_of, state, view};
use crate::clock::{StoreClock, Timestamp};
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::notice;
use crate::record::{LAST_QUESTIONS, Record, State};
use crate::store::{Cancelled, Enqueued, Filter, LeaseRequest, Leased, Settled, Settlement, Swept};
use crate::tally::Stats;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// What may be leased at `?2`, with its call.
static DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, payload, format FROM item WHERE state = 0 AND queue = ?1 AND due_at <= ?2 \
         AND expires_at > CASE WHEN needs_check THEN ?3 ELSE ?2 END"
    )
});
static BY_CLASS: LazyLock<String> =
    LazyLock::new(|| format!("{} AND class = ?5 ORDER BY due_at, id LIMIT ?4", *DUE));
/// What is only asked for any more is in no hurry.
static SOONEST: LazyLock<String> =
    LazyLock::new(|| format!("{} AND expires_at > ?2 ORDER BY expires_at, id LIMIT ?4", *DUE));
/// How long another connection's write is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// How often the file is told what time it is.
const TELL_TIME: Duration = Duration::from_secs(1);

/// The file, open, and whose it is.
pub(super) struct Desk {
    connection: Connection,
    path: PathBuf,
    pub(super) limits: Limits,
    /// Pages of the file that items may take.
    most_pages: i64,
    pub(super) clock: StoreClock,
    /// Which of the file's owners this is.
    epoch: i64,
    /// Leases given out by this one.
    leases: u32,
    /// When the file was last told the time.
    told: Timestamp,
    pub(super) counts: Counts,
    log: Log,
}

pub(super) type Done<T> = Result<T, StoreError>;

impl Desk {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        (limits, most_pages): (Limits, i64),
        clock: StoreClock,
    ) -> Self {
        let (log, counts, told) = (Log::new(&connection), Counts::new(), Timestamp(0));
        Desk { connection, path, limits, most_pages, clock, epoch: 0, leases: 0, told, counts, log }
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        failed(&self.path, error)
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> Done<usize> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        done.map_err(|error| self.failed(error))
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
            self.counts.clear();
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
        self.run("COMMIT", ())?;
        self.counts.clear();
        Ok(())
    }

    pub(super) fn roll_back(&mut self) {
        self.counts.clear();
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
            let now = self.clock.now();
            for mut item in self.select("WHERE state = 1", ())? {
                let before = item.record.clone();
                item.record.crashed(now);
                self.save(&item, &before, None)?;
            }
            self.commit()
        });
        if taken.is_err() {
            self.roll_back();
        }
        taken
    }

    fn select(&self, rest: &str, params: impl Params) -> Done<Vec<View>> {
        self.all(&format!("SELECT {COLUMNS} FROM item {rest}"), params, view)
    }

    fn with_id(&self, id: ItemId) -> Done<Option<View>> {
        self.one(&format!("SELECT {COLUMNS} FROM item WHERE id = ?1"), [id.0.cast_signed()], view)
    }

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
        let known = "SELECT id, state, death, fingerprint = ?3 FROM item WHERE queue = ?1 AND key = ?2";
        let known = self.one(known, params![item.queue, item.key, item.fingerprint], |row| {
            let (id, state) = (row.get::<_, i64>(0)?, state(row.get(1)?, row.get_ref(2)?.as_str_or_null()?));
            Ok((ItemId(id.cast_unsigned()), state, row.get::<_, bool>(3)?))
        })?;
        if let Some((id, state, same)) = known {
            return Ok(if same { Enqueued::Duplicate { id, state } } else { Enqueued::KeyConflict(id) });
        }
        let (depth, bytes) = self.held(&item.queue)?;
        let size = item.payload.len() as u64;
        if depth >= self.limits.max_items || bytes + size > self.limits.max_bytes {
            return Ok(Enqueued::Full { depth, bytes });
        }
        let view = self.insert(item, now)?;
        if let Some(notice) = notice::of_new(&view, now) {
            self.insert(&notice, now)?;
        }
        Ok(Enqueued::Stored(view.id))
    }

    pub(super) fn insert(&mut self, item: &NewItem, now: Timestamp) -> Done<View> {
        let (record, size) = (item.record(now), item.payload.len() as u64);
        self.run(
            "INSERT INTO item (queue, key, fingerprint, payload, bytes, format, state, class, needs_check, attempts, \
             max_attempts, crashes, max_crashes, created_at, due_at, expires_at, contact, events, delayed_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, 0, ?9, 0, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            params![
                item.queue,
                item.key,
                item.fingerprint,
                item.payload,
                size,
                item.format,
                record.class as i64,
                record.needs_check,
                record.max_attempts,
                record.max_crashes,
                millis(record.created_at),
                millis(record.due_at),
                millis(record.expires_at),
                record.contact,
                record.events.0,
                record.delayed_at.map(millis),
            ],
        )?;
        let id = ItemId(self.connection.last_insert_rowid().cast_unsigned());
        self.count(&item.queue, record.class, (1, size.cast_signed(), 0))?;
        Ok(View { id, queue: item.queue.clone(), key: item.key.clone(), record })
    }

    pub(super) fn lease(&mut self, request: &LeaseRequest) -> Done<Vec<Leased>> {
        let mut leased = Vec::new();
        if self.is_paused(&request.queue)? {
            return Ok(leased);
        }
        let now = self.clock.now();
        let until = now.after(request.ttl);
        let read = |row: &Row<'_>| Ok((view(row)?, row.get(REST)?, row.get(REST + 1)?));
        if request.soonest {
            let due = params![request.queue, millis(now), asked_since(now), request.most];
            let due = self.all(&SOONEST, due, read)?;
            self.lease_these(due, until, now, &mut leased)?;
            return Ok(leased);
        }
        for class in (0..4usize).rev() {
            let room = request.quota[class].min(request.most - leased.len());
            if room == 0 {
                continue;
            }
            let due = params![request.queue, millis(now), asked_since(now), room, class];
            let due = self.all(&BY_CLASS, due, read)?;
            self.lease_these(due, until, now, &mut leased)?;
        }
        Ok(leased)
    }

    fn lease_these(
        &mut self,
        due: Vec<(View, Vec<u8>, u16)>,
        until: Timestamp,
        now: Timestamp,
        leased: &mut Vec<Leased>,
    ) -> Done<()> {
        for (mut view, payload, format) in due {
            let number = self.next_lease();
            if view.record.lease(number, until, now) {
                self.save_lease(&view)?;
                let token = Token { id: view.id, lease: number };
                leased.push(Leased { token, view, payload, format });
            }
        }
        Ok(())
    }

    /// A number that no other lease of the file has.
    fn next_lease(&mut self) -> u64 {
        self.leases += 1;
        self.epoch.cast_unsigned() << 32 | u64::from(self.leases)
    }

    pub(super) fn extend(&mut self, leases: &[Token], ttl: Duration) -> Done<Vec<Settled>> {
        let now = self.clock.now();
        let extend =
            |token: &Token| self.change(*token, |record| record.extend(token.lease, now.after(ttl), now));
        leases.iter().map(extend).collect()
    }

    pub(super) fn settle(&mut self, settlements: &[(Token, Settlement)]) -> Done<Vec<Settled>> {
        let now = self.clock.now();
        let settle = |(token, settlement): &(Token, Settlement)| {
            self.change(*token, |record| record.settle(token.lease, settlement.clone(), now))
        };
        settlements.iter().map(settle).collect()
    }

    fn change(&mut self, token: Token, change: impl FnOnce(&mut Record) -> Settled) -> Done<Settled> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {COLUMNS}, bytes FROM item WHERE id = ?1"));
        let item = self.one(&SQL, [token.id.0.cast_signed()], |row| Ok((view(row)?, row.get(REST)?)))?;
        let Some((mut item, bytes)) = item else { return Ok(Settled::Fenced) };
        let before = item.record.clone();
        let settled = change(&mut item.record);
        if item.record != before {
            self.save(&item, &before, Some(bytes))?;
        }
        Ok(settled)
    }

    pub(super) fn sweep(&mut self, limit: usize) -> Done<Swept> {
        let (now, mut swept) = (self.clock.now(), Swept::default());
        for rest in [
            "WHERE state = 1 AND lease_until <= ?1 AND ?3 NOTNULL ORDER BY lease_until, id LIMIT ?2",
            "WHERE state = 0 AND expires_at <= ?1 AND (expires_at <= ?3 OR NOT needs_check) \
             ORDER BY expires_at + (?1 - ?3) * needs_check, id LIMIT ?2",
            "WHERE state = 0 AND delayed_at <= ?1 AND ?3 NOTNULL ORDER BY delayed_at, id LIMIT ?2",
        ] {
            for mut item in self.select(rest, params![millis(now), limit, asked_since(now)])? {
                let before = item.record.clone();
                if !item.record.sweep(now) {
                    continue;
                }
                self.save(&item, &before, None)?;
                match item.record.state {
                    _ if before.state == State::Leased => swept.crashed += 1,
                    State::Ready => swept.delayed += 1,
                    _ => swept.expired += 1,
                }
                swept.died += u64::from(matches!(item.record.state, State::Dead(_)));
            }
        }
        let over = "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE keep_until <= ?1 LIMIT ?2)";
        swept.forgotten = self.run(over, params![millis(now), limit])? as u64;
        Ok(swept)
    }

    pub(super) fn find(&mut self, queue: &str, key: &str) -> Done<Option<View>> {
        self.one(&format!("SELECT {COLUMNS} FROM item WHERE queue = ?1 AND key = ?2"), [queue, key], view)
    }

    pub(super) fn list(&mut self, filter: &Filter, limit: usize) -> Done<Vec<View>> {
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

    pub(super) fn show(&mut self, id: ItemId) -> Done<Option<Entry>> {
        let sql = format!("SELECT {COLUMNS}, payload, format FROM item WHERE id = ?1");
        let read = |row: &Row<'_>| {
            Ok(Entry { view: view(row)?, payload: row.get(REST)?, format: row.get(REST + 1)? })
        };
        self.one(&sql, [id.0.cast_signed()], read)
    }

    pub(super) fn cancel(&mut self, id: ItemId) -> Done<Cancelled> {
        let Some(mut item) = self.with_id(id)? else { return Ok(Cancelled::Unknown) };
        let before = item.record.clone();
        if !item.record.cancel(self.clock.now()) {
            return Ok(Cancelled::TooLate(before.state));
        }
        self.save(&item, &before, None)?;
        Ok(Cancelled::Cancelled)
    }

    fn is_paused(&self, queue: &str) -> Done<bool> {
        Ok(self.one("SELECT 1 FROM paused WHERE queue = ?1", [queue], |_| Ok(()))?.is_some())
    }

    pub(super) fn stats(&mut self, queue: &str) -> Done<Stats> {
        self.write_counts()?;
        let mut stats = Stats { paused: self.is_paused(queue)?, ..Stats::default() };
        let tally = "SELECT class, live, bytes, dead FROM tally WHERE queue = ?1";
        let read = |row: &Row<'_>| Ok((row.get::<_, usize>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        for (class, live, bytes, dead) in self.all(tally, [queue], read)? {
            if let Some(found) = stats.classes.get_mut(class) {
                (found.live, found.bytes, found.dead) = (live, bytes, dead);
            }
        }
        let count =
            |sql: &str| self.one(sql, [queue], |row| row.get::<_, Option<i64>>(0)).map(Option::flatten);
        let leased = count("SELECT COUNT(*) FROM item WHERE state = 1 AND queue = ?1")?;
        let check = count("SELECT COUNT(*) FROM item WHERE state < 2 AND needs_check AND queue = ?1")?;
        let oldest = count("SELECT MIN(created_at) FROM item WHERE ended_at IS NULL AND queue = ?1")?;
        stats.leased = leased.unwrap_or_default().cast_unsigned();
        stats.needs_check = check.unwrap_or_default().cast_unsigned();
        stats.oldest_created_at = oldest.map(|at| Timestamp(at.cast_unsigned()));
        Ok(stats)
    }
}

/// What expired before then is not even asked for any more.
fn asked_since(now: Timestamp) -> i64 {
    millis(now) - i64::try_from(LAST_QUESTIONS.as_millis()).unwrap_or(i64::MAX)
}
