//! The least that a queue in SQLite can be: a table with a unique key, and one thread that commits what is waiting. No limits, no
//! classes, no expiry, no fencing, no state machine.

use crate::load::{BYTES, QUEUE, key, next_number};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Whether it can find what is due.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Due {
    Indexed,
    Unknown,
}

/// A connection with the settings of the store.
pub(crate) fn connect(path: &Path, due: Due) -> Result<Connection, String> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // As long as the store lets it become: 16 MiB.
        connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.execute_batch(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL,
                state INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL, lease INTEGER, UNIQUE (queue, key))",
        )?;
        if due == Due::Indexed {
            connection.execute_batch("CREATE INDEX item_due ON item (queue, due_at, id) WHERE state = 0")?;
        }
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| error.to_string())
}

/// Inserts `keys`, within a transaction of the caller.
fn insert(connection: &Connection, keys: impl IntoIterator<Item = String>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO item (queue, key, payload, due_at) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    for key in keys {
        insert.execute(params![QUEUE, key, [b'x'; BYTES], 1_700_000_000_000_i64])?;
    }
    Ok(())
}

/// `count` more items, a thousand to a transaction.
pub(crate) fn fill(connection: &Connection, count: u64) -> Result<(), String> {
    let fill = || {
        for from in (0..count).step_by(1_000) {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            insert(connection, (from..count.min(from + 1_000)).map(|_| key(next_number())))?;
            connection.execute_batch("COMMIT")?;
        }
        Ok(())
    };
    fill().map_err(|error: rusqlite::Error| error.to_string())
}

/// Leases up to `most` items and marks them as done: two transactions, as it has to be where a lease is to survive.
pub(crate) fn lease_and_settle(connection: &Connection, most: usize) -> Result<u64, String> {
    let turn = || {
        let begin = || connection.prepare_cached("BEGIN IMMEDIATE")?.execute(());
        let commit = || connection.prepare_cached("COMMIT")?.execute(());
        begin()?;
        let due = "SELECT id, payload FROM item WHERE state = 0 AND queue = ?1 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3";
        let mut due = connection.prepare_cached(due)?;
        let due = due.query_map(params![QUEUE, i64::MAX, most], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let due = due.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut lease = connection.prepare_cached("UPDATE item SET state = 1, lease = ?2 WHERE id = ?1")?;
        for (id, _) in &due {
            lease.execute([id, id])?;
        }
        commit()?;
        begin()?;
        let mut done = connection.prepare_cached("UPDATE item SET state = 2 WHERE id = ?1 AND lease = ?2")?;
        for (id, _) in &due {
            done.execute([id, id])?;
        }
        commit()?;
        Ok(due.len() as u64)
    };
    turn().map_err(|error: rusqlite::Error| error.to_string())
}

type Job = (String, Sender<bool>);

/// One thread that has the file, and commits in one transaction what came while it synced.
pub(crate) struct Raw {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Raw {
    pub(crate) fn open(path: &Path, due: Due) -> Result<Raw, String> {
        let connection = connect(path, due)?;
        let (jobs, queue) = channel();
        let thread = std::thread::spawn(move || commit(&connection, &queue));
        Ok(Raw { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(crate) fn producer(&self) -> Producer {
        let (answer, answered) = channel();
        Producer { jobs: self.jobs.clone().expect("it is open until it is dropped"), answer, answered }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn commit(connection: &Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut answers = Vec::new();
        let keys = std::iter::once(first).chain(queue.try_iter()).take(4_096).map(|(key, answer)| {
            answers.push(answer);
            key
        });
        let done = (|| {
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
            insert(connection, keys)?;
            connection.prepare_cached("COMMIT")?.execute(())
        })();
        for answer in answers {
            let _ = answer.send(done.is_ok());
        }
    }
}

/// One who hands items over, and waits.
pub(crate) struct Producer {
    jobs: Sender<Job>,
    answer: Sender<bool>,
    answered: Receiver<bool>,
}

impl Producer {
    pub(crate) fn enqueue(&mut self, key: String) -> Result<(), String> {
        self.jobs.send((key, self.answer.clone())).map_err(|error| error.to_string())?;
        match self.answered.recv() {
            Ok(true) => Ok(()),
            _ => Err("not kept".into()),
        }
    }
}
