//! The rows, in a key-value bucket: one for each item, changed by compare-and-set.

use super::carriers::at_hand;
use super::row::Row;
use super::server;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::ItemId;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::{DeleteMessageErrorKind, Stream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a row is tried that others change at the same time.
const TRIES: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) rows: Store,
}

/// A row as it was read.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) row: Row,
    /// It may be written while this is its revision.
    pub(super) revision: u64,
    /// When it was, by the server's clock.
    pub(super) written_at: Timestamp,
}

/// A part of all rows.
pub(super) struct Page {
    pub(super) kept: Vec<Kept>,
    /// Where the next one begins; the end was reached without it.
    pub(super) next: Option<u64>,
}

impl Ledger {
    fn key(id: ItemId) -> String {
        format!("item.{:016x}", id.0)
    }

    fn stream(&self) -> &Stream {
        &self.rows.stream
    }

    /// The row, as the bucket's leader has it.
    pub(super) async fn read(&self, id: ItemId) -> Result<Option<Kept>, StoreError> {
        let entry = self.rows.entry(Self::key(id)).await.map_err(server)?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else { return Ok(None) };
        let (row, written_at) = (Row::read(id, &entry.value)?, millis(entry.created));
        Ok(Some(Kept { row, revision: entry.revision, written_at }))
    }

    /// The first row of its item, unless there is one. Its revision.
    pub(super) async fn create(&self, row: &Row) -> Result<Option<u64>, StoreError> {
        match self.rows.create(Self::key(row.view.id), row.write().into()).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(server(error)),
        }
    }

    /// Writes a row over the revision it was read at, unless somebody else has; whether it did.
    pub(super) async fn write(&self, row: &Row, revision: u64) -> Result<bool, StoreError> {
        match self.rows.update(Self::key(row.view.id), row.write().into(), revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(server(error)),
        }
    }

    /// Reads, changes and writes, until nobody was in between. What is not changed is not written.
    pub(super) async fn change<T>(
        &self,
        id: ItemId,
        mut change: impl FnMut(&mut Row, u64) -> T,
    ) -> Result<Option<(T, Row)>, StoreError> {
        for _ in 0..TRIES {
            let Some(Kept { row, revision, .. }) = self.read(id).await? else { return Ok(None) };
            let mut changed = row.clone();
            let told = change(&mut changed, revision);
            if changed == row || self.write(&changed, revision).await? {
                return Ok(Some((told, changed)));
            }
        }
        Err(StoreError::Server(format!("item {:016x} is being changed by others all the time", id.0)))
    }

    /// Erases a row that is still at this revision; one that was written since stays.
    pub(super) async fn forget(&self, revision: u64) -> Result<(), StoreError> {
        match self.stream().delete_message(revision).await {
            Ok(_) => Ok(()),
            // It is not there any more.
            Err(error) if matches!(error.kind(), DeleteMessageErrorKind::JetStream(_)) => Ok(()),
            Err(error) => Err(server(error)),
        }
    }

    /// At most so many rows, those first that were written longest ago.
    pub(super) async fn page(&self, from: u64, limit: usize) -> Result<Page, StoreError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            ack_policy: AckPolicy::None,
            filter_subject: format!("$KV.{}.item.*", self.rows.name),
            inactive_threshold: Duration::from_secs(30),
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = self.stream().create_consumer(config).await.map_err(server)?;
        let there = usize::try_from(consumer.cached_info().num_pending).unwrap_or(usize::MAX);
        let wanted = there.min(limit);
        let mut page = Page { kept: Vec::with_capacity(wanted), next: None };
        let mut last = from;
        if wanted > 0 {
            for message in at_hand(&consumer, wanted).await? {
                let info = message.info().map_err(server)?;
                last = info.stream_sequence;
                let Some(id) = id_in(&message.subject) else { continue };
                let has_ended = message.headers.as_ref().is_some_and(|all| all.get("KV-Operation").is_some());
                if !has_ended {
                    let (row, written_at) = (Row::read(id, &message.payload)?, millis(info.published));
                    page.kept.push(Kept { row, revision: last, written_at });
                }
            }
        }
        page.next = (wanted < there).then_some(last + 1);
        let name = &consumer.cached_info().name;
        // It would end by itself.
        let _ = self.stream().delete_consumer(name).await;
        Ok(page)
    }

    /// Every row, by the number of its item.
    pub(super) async fn all(&self) -> Result<Vec<Row>, StoreError> {
        let mut rows = std::collections::BTreeMap::new();
        let mut from = Some(1);
        while let Some(at) = from {
            let page = self.page(at, 1_000).await?;
            // One that was written meanwhile is met again, as it is now.
            rows.extend(page.kept.into_iter().map(|kept| (kept.row.view.id, kept.row)));
            from = page.next;
        }
        Ok(rows.into_values().collect())
    }
}

/// The number at the end of a subject.
pub(super) fn id_in(subject: &str) -> Option<ItemId> {
    let (_, id) = subject.rsplit_once('.')?;
    u64::from_str_radix(id, 16).ok().map(ItemId)
}

pub(super) fn millis(at: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp(0).after(SystemTime::from(at).duration_since(UNIX_EPOCH).unwrap_or_default())
}
