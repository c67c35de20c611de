//! Looking into a file that another process has.

use super::desk::Desk;
use super::open;
use crate::capabilities::Capabilities;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
use crate::tally::Stats;
use std::fmt;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A file that is only read: its owner, if it has one, goes on undisturbed. Whatever would change it is refused.
pub struct Look {
    desk: Mutex<Desk>,
    path: PathBuf,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Look {
    /// Opens the file to read it.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`](super::Sqlite::open), but for an owner; and [`StoreError::ReadOnly`] if there is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Ok(Look { desk: Mutex::new(open::look(path)?), path: path.into() })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Desk) -> Result<T, StoreError>,
    ) -> Answer<'_, T> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        // The owner may have changed what was read before.
        desk.forget();
        Box::pin(ready(read(&mut desk)))
    }

    fn refuse<T: Send + 'static>(&self) -> Answer<'_, T> {
        let why = "it was opened to be read".into();
        Box::pin(ready(Err(StoreError::ReadOnly { path: self.path.clone(), why })))
    }
}

impl QueueStore for Look {
    fn capabilities(&self) -> Capabilities {
        Capabilities::of_own_rows(true)
    }

    fn enqueue(&self, _: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>> {
        self.refuse()
    }

    fn lease(&self, _: LeaseRequest) -> Answer<'_, Vec<Leased>> {
        self.refuse()
    }

    fn extend(&self, _: Vec<Token>, _: Duration) -> Answer<'_, Vec<Settled>> {
        self.refuse()
    }

    fn settle(&self, _: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>> {
        self.refuse()
    }

    fn sweep(&self, _: usize) -> Answer<'_, Swept> {
        self.refuse()
    }

    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>> {
        self.read(|desk| desk.find(queue, key))
    }

    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>> {
        self.read(|desk| desk.show(id))
    }

    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>> {
        self.read(|desk| desk.list(&filter, limit))
    }

    fn cancel(&self, _: ItemId) -> Answer<'_, Cancelled> {
        self.refuse()
    }

    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>> {
        if order.dry_run { self.read(|desk| desk.rehearse(&order)) } else { self.refuse() }
    }

    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>> {
        self.read(|desk| desk.audit(limit))
    }

    fn queues(&self) -> Answer<'_, Vec<String>> {
        self.read(|desk| desk.queues())
    }

    fn stats(&self, queue: &str) -> Answer<'_, Stats> {
        self.read(|desk| desk.stats(queue))
    }
}
