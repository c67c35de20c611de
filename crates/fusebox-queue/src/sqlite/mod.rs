//! Items in one SQLite file, with nothing to run beside it.
//!
//! # Design
//!
//! One thread has the file, and writes: whatever callers ask for while it syncs is in its next transaction, so that a sync is paid
//! by many. An answer comes after the commit, with `synchronous = FULL` in write-ahead mode: what is acknowledged survives
//! `kill -9` and a power cut, as far as the drive keeps what it says it has. What callers ask for is undone one by one where it
//! fails, as it rarely does: only then the transaction is done again, each part behind a savepoint.
//!
//! A second connection only reads, so that a long list holds up no commit. An order to very many items is done in parts, each a
//! transaction with a line in the audit trail that says how many it has moved so far; only for their statistics, which are kept in
//! memory, the thread that writes is asked.
//!
//! Items are moved by the [state machine](crate::record) in Rust; SQL finds rows and writes them back, those that have come alike in
//! one statement. Counters by queue and class are written once by each transaction, with the items they count, so limits hold exactly.
//! What an owner has read or written it knows until a transaction is undone: counters, what is leased, which items have not ended.
//!
//! An index is paid by every item that enters and leaves it. There is one of keys, of what is due, of what expires, and of what may be
//! forgotten; leases have a row for each call for them instead, the oldest item is known from the order of numbers, and the rest are of
//! the few that are dead or have somebody to tell.
//!
//! A file has one owner. A lock keeps a second process out, and an epoch in the file, looked at in every transaction, stops an owner
//! whose lock was worth nothing. An owner that opens the file after a crash takes back what the last one had leased: nobody else can
//! be making those calls, and each must be checked before it is sent again.

mod commit;
mod counts;
mod desk;
mod enqueue;
mod flights;
mod lease;
mod log;
mod look;
mod oldest;
mod open;
mod orders;
mod read;
mod rows;
mod save;
mod schema;
mod sweep;

pub use look::Look;

use crate::capabilities::Capabilities;
use crate::clock::StoreClock;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, Limits, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use commit::{Pending, Worker};
use desk::Desk;
use futures_channel::oneshot;
use orders::Progress;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How a file is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much it holds.
    pub limits: Limits,
    /// How large the file may grow, in bytes; as large as the disk has room for without it. A full file answers
    /// [`StoreError::DiskFull`] until items are forgotten.
    pub max_file_bytes: Option<u64>,
    /// Where its time comes from. Default: the machine's clock, never behind what the file has seen.
    pub clock: Option<StoreClock>,
}

/// Items in one SQLite file. A cheap handle; the file is closed with the last one.
#[derive(Clone, Debug)]
pub struct Sqlite(Arc<Threads>);

/// Whoever has the file. In this order they end: nobody reads when the log is folded for the last time.
#[derive(Debug)]
struct Threads {
    reader: Worker,
    committer: Worker,
}

impl Sqlite {
    /// Opens the file, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Owned`], [`StoreError::Corrupt`], [`StoreError::TooNew`], [`StoreError::ReadOnly`],
    /// [`StoreError::DiskFull`] and [`StoreError::NetworkFileSystem`], each of this file. What is there is left as it is.
    ///
    /// ```
    /// use fusebox_queue::sqlite::Sqlite;
    /// use fusebox_queue::{Enqueued, NewItem, QueueStore};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("payments.queue");
    /// # futures_executor::block_on(async {
    /// let store = Sqlite::open(&path)?;
    /// let stored = store.enqueue(vec![NewItem::new("payments", "order-17", b"capture 20 EUR")]).await?;
    /// assert!(matches!(stored[..], [Enqueued::Stored(_)]));
    /// # Ok::<(), fusebox_queue::StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Sqlite::open_with(path, Options::default())
    }

    /// As [`open`](Self::open), with other limits.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let (desk, lock) = open::open(path.as_ref(), options)?;
        let reader = Worker::reading(desk.for_reading(open::reader(path.as_ref())?))?;
        let committer = Worker::committing(desk, lock)?;
        Ok(Sqlite(Arc::new(Threads { reader, committer })))
    }

    /// Has the committer do `work` in its next transaction; answers once that is committed.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        Self::ask_of(&self.0.committer, work)
    }

    /// Has somebody read who is in no committer's way, however long it takes: what was acknowledged is seen.
    fn read<T: Send + 'static>(
        &self,
        mut read: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        Self::ask_of(&self.0.reader, move |desk| read(desk))
    }

    fn ask_of<T: Send + 'static>(
        worker: &Worker,
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, answered) = oneshot::channel();
        worker.take(Box::new(Pending::new(work, answer)));
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::Stopped)) })
    }
}

impl QueueStore for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities::of_own_rows(true)
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        self.ask(move |desk| desk.enqueue(&items))
    }

    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        self.ask(move |desk| desk.lease(&request))
    }

    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>> {
        self.ask(move |desk| desk.extend(&leases, ttl))
    }

    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        self.ask(move |desk| desk.settle(&settlements))
    }

    fn sweep(&self, limit: usize) -> Answer<'_, Swept> {
        self.ask(move |desk| desk.sweep(limit))
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        let (queue, key) = (queue.to_owned(), key.to_owned());
        self.read(move |desk| desk.find(&queue, &key))
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        self.read(move |desk| desk.show(id))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        self.read(move |desk| desk.list(&filter, limit))
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        self.ask(move |desk| desk.cancel(id))
    }

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        if order.dry_run {
            return self.read(move |desk| desk.rehearse(&order));
        }
        Box::pin(async move {
            let (mut moved, mut progress) = (Vec::new(), Progress::default());
            while !progress.done {
                let (order, from) = (order.clone(), progress);
                let part = self.ask(move |desk| {
                    let mut progress = from.clone();
                    desk.operate(&order, &mut progress).map(|moved| (moved, progress))
                });
                let (mut part, next) = part.await?;
                moved.append(&mut part);
                progress = next;
            }
            Ok(moved)
        })
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        self.read(move |desk| desk.audit(limit))
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        self.read(|desk| desk.queues())
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        let queue = queue.to_owned();
        self.ask(move |desk| desk.stats(&queue))
    }
}
