//! Carriers: one message for each item that has not ended, in one stream for each queue, and a stream for the dead.

use super::ledger::id_in;
use super::row::{Row, token_of};
use super::{A_WORD, PATIENCE, server};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::ItemId;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{AckKind, Context, ErrorCode, Message, message::PublishMessage};
use async_nats::{HeaderMap, Request};
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The header that tells when a carrier's item came.
const BORN: &str = "Fusebox-Created";

/// What every stream of the store is made with.
#[derive(Clone, Debug)]
pub(super) struct Make {
    pub(super) name: String,
    pub(super) replicas: usize,
    pub(super) max_items: u64,
    pub(super) max_bytes: u64,
    pub(super) ack_wait: Duration,
}

#[derive(Debug)]
pub(super) struct Carriers {
    context: Context,
    make: Make,
    dead: Stream,
    lanes: Mutex<HashMap<String, Arc<Lanes>>>,
}

/// One queue's stream, and a consumer for each class.
#[derive(Debug)]
pub(super) struct Lanes {
    stream: Stream,
    consumers: Vec<PullConsumer>,
}

/// An item's message.
pub(super) struct Carrier {
    /// Its place in the stream.
    place: u64,
    /// The item has the life that began then.
    born: Option<Timestamp>,
    pub(super) payload: Vec<u8>,
}

/// What came of sending a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is in the stream, or was already.
    Kept,
    /// The stream is full.
    Full { depth: u64, bytes: u64 },
}

impl Make {
    fn subject(&self, row: &Row, kind: &str) -> String {
        let (class, ItemId(id)) = (row.view.record.class.as_str(), row.view.id);
        format!("{}.{kind}.{}.{class}.{id:016x}", self.name, token_of(&row.view.queue))
    }

    fn dead(&self) -> Config {
        Config {
            name: format!("{}-dead", self.name),
            subjects: vec![format!("{}.dead.*.*.*", self.name)],
            // Who dies again is there once.
            max_messages_per_subject: 1,
            num_replicas: self.replicas,
            storage: StorageType::File,
            ..Config::default()
        }
    }

    fn queue(&self, token: &str) -> Config {
        Config {
            name: format!("{}-queue-{token}", self.name),
            subjects: vec![format!("{}.queue.{token}.*.*", self.name)],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: i64::try_from(self.max_items).unwrap_or(i64::MAX),
            max_bytes: i64::try_from(self.max_bytes).unwrap_or(i64::MAX),
            num_replicas: self.replicas,
            storage: StorageType::File,
            ..Config::default()
        }
    }

    fn consumer(&self, token: &str, class: &str) -> pull::Config {
        pull::Config {
            durable_name: Some(class.into()),
            filter_subject: format!("{}.queue.{token}.{class}.*", self.name),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            // Attempts are counted in the row; the server gives up on nothing.
            max_deliver: -1,
            // What waits for its time is pending too.
            max_ack_pending: -1,
            ..pull::Config::default()
        }
    }
}

impl Carriers {
    pub(super) async fn open(context: Context, make: Make) -> Result<Self, StoreError> {
        let dead = stream(&context, make.dead()).await?;
        Ok(Carriers { context, make, dead, lanes: Mutex::default() })
    }

    /// The queue's stream, which is made the first time.
    async fn lanes(&self, queue: &str) -> Result<Arc<Lanes>, StoreError> {
        let lanes = || self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lanes().get(queue) {
            return Ok(known.clone());
        }
        let token = token_of(queue);
        let stream = stream(&self.context, self.make.queue(&token)).await?;
        let mut consumers = Vec::new();
        for (class, _) in fusebox_core::Priority::ALL {
            let config = self.make.consumer(&token, class);
            consumers.push(stream.create_consumer(config).await.map_err(server)?);
        }
        let made = Arc::new(Lanes { stream, consumers });
        lanes().insert(queue.to_owned(), made.clone());
        Ok(made)
    }

    /// Sends the item's carrier, unless there is one. One that is left of an earlier life of the key stays, and is dropped when it
    /// is delivered.
    pub(super) async fn send(&self, row: &Row, payload: &[u8]) -> Result<Sent, StoreError> {
        let lanes = self.lanes(&row.view.queue).await?;
        let mut behind = 0;
        loop {
            let message = PublishMessage::build()
                .payload(payload.to_vec().into())
                .header(BORN, row.view.record.created_at.0.to_string())
                .expected_last_subject_sequence(behind);
            let sent = match self.context.send_publish(self.make.subject(row, "queue"), message).await {
                Ok(acknowledged) => acknowledged.await.map(drop),
                Err(error) => Err(error),
            };
            match sent {
                Ok(()) => return Ok(Sent::Kept),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    match self.carrier(row).await? {
                        Some(there) if there.is_of(row) => return Ok(Sent::Kept),
                        there => behind = there.map_or(0, |there| there.place),
                    }
                }
                Err(error) if is_full(&error) => {
                    let state = lanes.stream.get_info().await.map_err(server)?.state;
                    return Ok(Sent::Full { depth: state.messages, bytes: state.bytes });
                }
                Err(error) => return Err(server(error)),
            }
        }
    }

    /// At most so many carriers of a class that are there now.
    pub(super) async fn fetch(
        &self,
        queue: &str,
        class: usize,
        most: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let lanes = self.lanes(queue).await?;
        let Some(consumer) = lanes.consumers.get(class) else { return Ok(Vec::new()) };
        at_hand(consumer, most).await
    }

    /// Tells the server what became of a delivery, and hears that it knows.
    pub(super) async fn tell(&self, reply: &str, kind: AckKind) -> Result<(), StoreError> {
        tell(&self.context, reply, kind).await
    }

    /// The item's carrier, unless it is gone.
    pub(super) async fn carrier(&self, row: &Row) -> Result<Option<Carrier>, StoreError> {
        last(&self.lanes(&row.view.queue).await?.stream, &self.make.subject(row, "queue")).await
    }

    /// Keeps the dead item's call with its reason, acknowledged.
    pub(super) async fn bury(&self, row: &Row, payload: Vec<u8>) -> Result<(), StoreError> {
        let (record, mut headers) = (&row.view.record, HeaderMap::new());
        let plain = |text: &str| text.replace(['\r', '\n'], " ");
        headers.insert("Fusebox-Queue", plain(&row.view.queue));
        headers.insert("Fusebox-Key", plain(&row.view.key));
        headers.insert("Fusebox-Reason", plain(record.reason.as_deref().unwrap_or("")));
        headers.insert("Fusebox-Attempts", record.attempts.to_string());
        headers.insert("Fusebox-Format", row.format.to_string());
        if let crate::record::State::Dead(death) = record.state {
            headers.insert("Fusebox-Death", death.as_str());
        }
        let subject = self.make.subject(row, "dead");
        let sending =
            self.context.publish_with_headers(subject, headers, payload.into()).await.map_err(server)?;
        sending.await.map(drop).map_err(server)
    }

    /// The call of a dead item.
    pub(super) async fn buried(&self, row: &Row) -> Result<Option<Carrier>, StoreError> {
        last(&self.dead, &self.make.subject(row, "dead")).await
    }

    /// Takes a call from the dead that has succeeded after all.
    pub(super) async fn unbury(&self, row: &Row) -> Result<(), StoreError> {
        if let Some(dead) = self.buried(row).await? {
            self.dead.delete_message(dead.place).await.map(drop).map_err(server)?;
        }
        Ok(())
    }
}

impl Carrier {
    pub(super) fn is_of(&self, row: &Row) -> bool {
        self.born == Some(row.view.record.created_at)
    }
}

/// When the item's life began that a delivery carries.
pub(super) fn born(headers: Option<&HeaderMap>) -> Option<Timestamp> {
    headers?.get(BORN)?.as_str().parse().ok().map(Timestamp)
}

/// Tells the server what became of a delivery, and hears that it knows.
pub(super) async fn tell(context: &Context, reply: &str, kind: AckKind) -> Result<(), StoreError> {
    let request = Request::new().payload(kind.into()).timeout(Some(PATIENCE));
    context.client().send_request(reply.to_owned(), request).await.map(drop).map_err(server)
}

/// At most so many messages, without waiting for more.
pub(super) async fn at_hand(consumer: &PullConsumer, most: usize) -> Result<Vec<Message>, StoreError> {
    // Told when to expire, the server would wait until then.
    let mut batch = consumer.fetch().max_messages(most).messages().await.map_err(server)?;
    let mut there = Vec::new();
    loop {
        match tokio::time::timeout(A_WORD, batch.try_next()).await {
            Ok(Ok(Some(message))) => there.push(message),
            Ok(Ok(None)) => return Ok(there),
            // As many as may be are in hand, here and elsewhere.
            Ok(Err(error)) if !there.is_empty() || error.to_string().contains("MaxAckPending") => {
                return Ok(there);
            }
            Ok(Err(error)) => return Err(server(error)),
            // A server that has counted messages which are gone says nothing; one that is gone itself does not answer this either.
            Err(_) if there.is_empty() => return consumer.get_info().await.map(|_| there).map_err(server),
            Err(_) => return Ok(there),
        }
    }
}

/// The item that a delivery carries.
pub(super) fn item_of(message: &Message) -> Option<ItemId> {
    id_in(&message.subject)
}

async fn last(stream: &Stream, subject: &str) -> Result<Option<Carrier>, StoreError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => {
            let (place, born) = (message.sequence, born(Some(&message.headers)));
            Ok(Some(Carrier { place, born, payload: message.payload.into() }))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(server(error)),
    }
}

/// A stream as it is wanted: made, or changed to be so.
pub(super) async fn stream(context: &Context, config: Config) -> Result<Stream, StoreError> {
    let name = config.name.clone();
    context.create_or_update_stream(config).await.map_err(server)?;
    context.get_stream(name).await.map_err(server)
}

fn is_full(error: &PublishError) -> bool {
    let said = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    said.is_some_and(|said| said.error_code() == ErrorCode::STREAM_STORE_FAILED)
        && said.is_some_and(|said| said.to_string().contains("maximum"))
}
