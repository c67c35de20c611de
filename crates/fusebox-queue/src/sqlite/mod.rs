//! Items in one SQLite file, with nothing to run beside it.
//!
//! # Design
//!
//! One thread has the file, and writes: whatever callers ask for while it syncs is in its next transaction, so that a sync is paid
//! by many. An answer comes after the commit, with `synchronous = FULL` in write-ahead mode: what is acknowledged survives
//! `kill -9` and a power cut, as far as the drive keeps what it says it has. What callers ask for is undone one by one where it
//! fails, as it rarely does: only then the transaction is done again, each part behind a savepoint.
//!
//! Items are moved by the [state machine](crate::record) in Rust; SQL finds rows and writes them back. Counters by queue and class
//! are written once by each transaction, with the items they count, so limits hold exactly.
//!
//! A file has one owner. A lock keeps a second process out, and an epoch in the file, looked at in every transaction, stops an owner
//! whose lock was worth nothing. An owner that opens the file after a crash takes back what the last one had leased: nobody else can
//! be making those calls, and each must be checked before it is sent again.

mod commit;
mod counts;
mod desk;
mod log;
mod look;
mod open;
mod orders;
mod rows;
mod save;

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
use commit::{Committer, Pending};
use desk::Desk;
use futures_channel::oneshot;
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
pub struct Sqlite(Arc<Committer>);

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
        Committer::start(desk, lock).map(|committer| Sqlite(Arc::new(committer)))
    }

    /// Has the committer do `work` in its next transaction; answers once that is committed.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, answered) = oneshot::channel();
        self.0.take(Box::new(Pending::new(work, answer)));
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
        self.ask(move |desk| desk.find(&queue, &key))
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        self.ask(move |desk| desk.show(id))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        self.ask(move |desk| desk.list(&filter, limit))
    }

    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled> {
        self.ask(move |desk| desk.cancel(id))
    }

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        self.ask(move |desk| desk.operate(&order))
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        self.ask(move |desk| desk.audit(limit))
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        self.ask(Desk::queues)
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        let queue = queue.to_owned();
        self.ask(move |desk| desk.stats(&queue))
    }
}
