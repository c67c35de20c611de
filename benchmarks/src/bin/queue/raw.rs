//! Raw SQLite: a [table](crate::tables), and one thread that commits what is waiting.

use crate::load::{BYTES, QUEUE, key, next_number};
use crate::tables::Table;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A connection with the settings of the store.
pub(crate) fn connect(path: &Path, table: &Table) -> Result<Connection, String> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // As long as the store lets it become: 16 MiB.
        connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.execute_batch(table.schema)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| error.to_string())
}

/// Inserts `keys`, in a transaction.
fn insert(
    connection: &Connection,
    table: &Table,
    keys: impl IntoIterator<Item = String>,
) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    let (mut insert, mut count) = (connection.prepare_cached(table.insert)?, 0);
    for key in keys {
        insert.execute(params![QUEUE, key, [b'x'; BYTES], 1_700_000_000_000_i64])?;
        count += 1;
    }
    commit(connection, table, count)
}

fn commit(connection: &Connection, table: &Table, counted: i64) -> rusqlite::Result<()> {
    if let Some(count) = table.count.filter(|_| counted != 0) {
        connection.prepare_cached(count)?.execute([counted])?;
    }
    connection.prepare_cached("COMMIT")?.execute(()).map(drop)
}

/// `count` more items, `at_a_time` to a transaction.
pub(crate) fn fill(connection: &Connection, table: &Table, count: u64, at_a_time: u64) -> Result<(), String> {
    let mut froms = (0..count).step_by(at_a_time as usize);
    let filled = froms.try_for_each(|from| {
        let keys = (from..count.min(from + at_a_time)).map(|_| key(next_number()));
        insert(connection, table, keys)
    });
    filled.map_err(|error| error.to_string())
}

/// Leases up to `most` items and marks them as done: two transactions, as it has to be where a lease is to survive.
pub(crate) fn lease_and_settle(connection: &Connection, table: &Table, most: usize) -> Result<u64, String> {
    let turn = || {
        let begin = || connection.prepare_cached("BEGIN IMMEDIATE")?.execute(());
        begin()?;
        let mut due = connection.prepare_cached(table.due)?;
        let due = due.query_map(params![QUEUE, i64::MAX, most], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let due = due.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut lease = connection.prepare_cached(table.lease)?;
        for (id, _) in &due {
            lease.execute([id, id])?;
        }
        commit(connection, table, 0)?;
        begin()?;
        let mut done = connection.prepare_cached(table.settle)?;
        for (id, _) in &due {
            done.execute([id, id])?;
        }
        commit(connection, table, -(due.len() as i64))?;
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
    pub(crate) fn open(path: &Path, table: &'static Table) -> Result<Raw, String> {
        let connection = connect(path, table)?;
        let (jobs, queue) = channel();
        let thread = std::thread::spawn(move || work(&connection, table, &queue));
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

fn work(connection: &Connection, table: &Table, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut answers = Vec::new();
        let keys = std::iter::once(first).chain(queue.try_iter()).take(4_096).map(|(key, answer)| {
            answers.push(answer);
            key
        });
        let done = insert(connection, table, keys);
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
