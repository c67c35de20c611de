//! A stream's messages, for a [`Worker`](crate::worker::Worker).

use super::carriers::{at_hand, tell};
use super::{context, server};
use crate::error::StoreError;
use crate::replay::Told;
use crate::worker::{Message, Source};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Context};
use std::time::Duration;

/// Which messages a worker takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The stream, which is there.
    pub stream: String,
    /// The first part of its consumers' names: all workers with one name share the messages.
    pub name: String,
    /// The subjects of each lane, one filter each, with wildcards; no two of them may overlap in a work queue.
    pub lanes: Vec<String>,
    /// Where the dead go: a subject that another stream keeps.
    pub dead: String,
    /// After so long without a word, the server delivers a message to another worker. Default: 30 s.
    pub ack_wait: Duration,
    /// Messages of a lane that all workers together have in hand, at most. Default: 1,000.
    pub max_pending: u32,
}

impl Subscription {
    /// The defaults for this stream.
    pub fn of(stream: impl Into<String>, name: impl Into<String>, dead: impl Into<String>) -> Self {
        Subscription {
            stream: stream.into(),
            name: name.into(),
            lanes: Vec::new(),
            dead: dead.into(),
            ack_wait: Duration::from_secs(30),
            max_pending: 1_000,
        }
    }
}

/// Messages of a stream on a NATS server.
#[derive(Debug)]
pub struct JetStream {
    context: Context,
    consumers: Vec<PullConsumer>,
    dead: String,
}

/// Proof of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    reply: String,
    /// The stream and the message's place in it.
    place: String,
}

impl JetStream {
    /// Makes a consumer for each lane, or finds it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if no stream keeps the dead, [`StoreError::Server`] if there is no such stream, or no server.
    ///
    /// ```no_run
    /// use fusebox_queue::nats::{JetStream, Subscription};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = async_nats::connect("nats://events.internal:4222").await?;
    /// let orders = Subscription {
    ///     lanes: vec!["orders.bulk.>".into(), "orders.critical.>".into()],
    ///     ..Subscription::of("orders", "billing", "dead.orders")
    /// };
    /// let source = JetStream::open(client, orders).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(client: async_nats::Client, subscription: Subscription) -> Result<Self, StoreError> {
        let context = context(client);
        let Subscription { stream, name, lanes, dead, ack_wait, max_pending } = subscription;
        let stream = context.get_stream(stream).await.map_err(server)?;
        let keeper = context.stream_by_subject(dead.clone()).await;
        if keeper.as_ref().map_or(true, |keeper| *keeper == stream.cached_info().config.name) {
            let found = format!("{dead:?}");
            return Err(StoreError::Invalid {
                field: "dead",
                found,
                accepted: "a subject that another stream keeps",
            });
        }
        let mut consumers = Vec::with_capacity(lanes.len());
        for (lane, filter_subject) in lanes.into_iter().enumerate() {
            let config = pull::Config {
                durable_name: Some(format!("{name}-{lane}")),
                filter_subject,
                ack_policy: AckPolicy::Explicit,
                ack_wait,
                max_deliver: -1,
                max_ack_pending: i64::from(max_pending),
                ..pull::Config::default()
            };
            consumers.push(stream.create_consumer(config).await.map_err(server)?);
        }
        Ok(JetStream { context, consumers, dead })
    }

    fn lane(&self, lane: usize) -> Result<&PullConsumer, StoreError> {
        let there = self.consumers.len();
        let accepted = "one of the subscription's";
        let refused = || StoreError::Invalid { field: "lane", found: format!("{lane} of {there}"), accepted };
        self.consumers.get(lane).ok_or_else(refused)
    }

    async fn bury(&self, message: &Message<Receipt>, reason: &str) -> Result<(), StoreError> {
        let mut headers = HeaderMap::new();
        headers.insert("Fusebox-Subject", &*message.subject);
        headers.insert("Fusebox-Reason", reason.replace(['\r', '\n'], " "));
        headers.insert("Fusebox-Deliveries", message.deliveries.to_string());
        // Sent again after a crash in between, it is there once.
        headers.insert("Nats-Msg-Id", &*message.receipt.place);
        let payload = message.payload.clone().into();
        let sending = self.context.publish_with_headers(self.dead.clone(), headers, payload).await;
        sending.map_err(server)?.await.map_err(server)?;
        tell(&self.context, &message.receipt.reply, AckKind::Term).await
    }
}

impl Source for JetStream {
    type Receipt = Receipt;

    fn fetch(&self, lane: usize, most: usize) -> Told<'_, Result<Vec<Message<Receipt>>, StoreError>> {
        Box::pin(async move {
            let delivered = at_hand(self.lane(lane)?, most).await?;
            let message = |delivered: async_nats::jetstream::Message| {
                let info = delivered.info().map_err(server)?;
                let place = format!("{}:{}", info.stream, info.stream_sequence);
                let deliveries = u64::try_from(info.delivered).unwrap_or(1);
                let reply = delivered.reply.as_deref().unwrap_or_default().to_owned();
                let (subject, payload) = (delivered.subject.to_string(), delivered.payload.to_vec());
                Ok(Message { receipt: Receipt { reply, place }, lane, subject, payload, deliveries })
            };
            delivered.into_iter().map(message).collect()
        })
    }

    fn ack<'a>(&'a self, receipt: &'a Receipt) -> Told<'a, Result<(), StoreError>> {
        Box::pin(tell(&self.context, &receipt.reply, AckKind::Ack))
    }

    fn nak<'a>(&'a self, receipt: &'a Receipt, delay: Duration) -> Told<'a, Result<(), StoreError>> {
        let delay = Some(delay).filter(|delay| !delay.is_zero());
        Box::pin(tell(&self.context, &receipt.reply, AckKind::Nak(delay)))
    }

    fn in_progress<'a>(&'a self, receipt: &'a Receipt) -> Told<'a, Result<(), StoreError>> {
        Box::pin(tell(&self.context, &receipt.reply, AckKind::Progress))
    }

    fn dead_letter<'a>(
        &'a self,
        message: &'a Message<Receipt>,
        reason: &'a str,
    ) -> Told<'a, Result<(), StoreError>> {
        Box::pin(self.bury(message, reason))
    }

    fn lag(&self, lane: usize) -> Told<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let info = self.lane(lane)?.get_info().await.map_err(server)?;
            Ok(info.num_pending)
        })
    }
}
