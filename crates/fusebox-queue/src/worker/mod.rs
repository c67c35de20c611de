//! Consumers that take no more than their dependency can.
//!
//! A consumer that fetches on while its handler's dependency hangs or fails turns a stream into a pile in memory, and the
//! dependency's trouble into redeliveries. A [`Worker`] asks before it fetches: nothing while the [gate](crate::replay::Gate), usually the dependency's
//! circuit, is open; and in each lane no more than its bulkhead has places, so that a lane that hangs takes nothing from one that
//! matters more. What the source has beyond that stays in the source.
//!
//! | a message | what becomes of it |
//! |---|---|
//! | was handled | acknowledged |
//! | failed | comes back later, after a delay that doubles, until it was delivered [`Plan::max_deliveries`] times |
//! | failed that often, or is [poison](Handled::Poison) | is dead-lettered, with the reason |
//! | was not sent, as the circuit, a quota or a bulkhead kept it | stays in hand, and is tried again: no delivery is burnt |
//!
//! Delivery is at least once. A message in hand is said to be [in progress](Source::in_progress) all the while.
//!
//! [`flow`] decides, and does no I/O. A [`Source`] is where messages come from: [`JetStream`](crate::nats::JetStream) with the feature `nats`.

mod count;
pub mod flow;
mod run;
mod timer;

pub use count::{LaneCounts, LaneSnapshot, Snapshot};
pub use flow::{Handled, Lane, Plan};
pub use run::Worker;

use crate::error::StoreError;
use crate::replay::Told;
use std::time::Duration;

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<R> {
    /// Proof of the delivery.
    pub receipt: R,
    /// Which lane it came in.
    pub lane: usize,
    /// What it was sent to.
    pub subject: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// How often it was delivered; 1 the first time.
    pub deliveries: u64,
}

/// Where messages come from.
///
/// # For a log with offsets
///
/// A source such as Kafka has no acknowledgement for each message. There `ack` commits the offset up to which every message is
/// settled, `nak` sends a copy to a topic for later and then acks, `in_progress` keeps the consumer in its group while its
/// partition is paused, `dead_letter` produces to the topic of the dead, waits for the broker, and then acks, and `lag` is the
/// high watermark less the committed offset.
pub trait Source: Send + Sync {
    /// Proof of a delivery.
    type Receipt: Send + Sync;

    /// At most `most` messages of a lane that are there now; none is an answer, and comes at once.
    fn fetch(&self, lane: usize, most: usize) -> Told<'_, Result<Vec<Message<Self::Receipt>>, StoreError>>;

    /// It is handled, and never delivered again.
    fn ack<'a>(&'a self, receipt: &'a Self::Receipt) -> Told<'a, Result<(), StoreError>>;

    /// It is to be delivered again, not before `delay` has passed.
    fn nak<'a>(&'a self, receipt: &'a Self::Receipt, delay: Duration) -> Told<'a, Result<(), StoreError>>;

    /// It is in hand still, and to be delivered to nobody else.
    fn in_progress<'a>(&'a self, receipt: &'a Self::Receipt) -> Told<'a, Result<(), StoreError>>;

    /// Keeps it, with the reason, where the dead are, and only then sees to it that it is never delivered again. After an error it
    /// is delivered again.
    fn dead_letter<'a>(
        &'a self,
        message: &'a Message<Self::Receipt>,
        reason: &'a str,
    ) -> Told<'a, Result<(), StoreError>>;

    /// Messages of a lane that nobody has fetched.
    fn lag(&self, lane: usize) -> Told<'_, Result<u64, StoreError>>;
}

/// Handles messages: the caller's own code, usually a call through a pipeline.
pub trait Handler<R>: Send + Sync {
    /// Handles one. A panic in it is a failure.
    fn handle<'a>(&'a self, message: &'a Message<R>) -> Told<'a, Handled>;
}
