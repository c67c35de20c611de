//! Items: what is handed to a queue, and what it shows.

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::notice::{NOTICES, Notices};
use crate::record::{Record, State};
use fusebox_core::Priority;
use std::time::Duration;

const LONGEST_NAME: usize = 255;
const LONGEST_CONTACT: usize = 2_048;

/// An item's number in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// Proof of one lease. A later lease of the same item has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The item.
    pub id: ItemId,
    /// Which of its leases: no two of an item are alike.
    pub lease: u64,
}

/// A call to be made later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    /// Which queue: usually one for each dependency.
    pub queue: String,
    /// The idempotency key. One item has it, until long after the item has ended.
    pub key: String,
    /// A digest of what is asked: the same key with another fingerprint is refused.
    pub fingerprint: Vec<u8>,
    /// How much it matters.
    pub class: Priority,
    /// The call itself, for whoever makes it.
    pub payload: Vec<u8>,
    /// Which layout the payload has.
    pub format: u16,
    /// Not before so long has passed.
    pub delay: Duration,
    /// Not after so long has passed.
    pub expires_in: Duration,
    /// Attempts, the first included, before it is dead.
    pub max_attempts: u32,
    /// Leases that ended with their worker, before it is dead.
    pub max_crashes: u32,
    /// It may have reached its dependency already: ask before the first attempt too.
    pub needs_check: bool,
    /// Who is told what becomes of it.
    pub notices: Option<Notices>,
}

impl NewItem {
    /// An item of normal priority, due at once: a day to live, 25 attempts, three crashes.
    pub fn new(queue: impl Into<String>, key: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        NewItem {
            queue: queue.into(),
            key: key.into(),
            fingerprint: payload.clone(),
            class: Priority::Normal,
            payload,
            format: 1,
            delay: Duration::ZERO,
            expires_in: Duration::from_secs(24 * 3_600),
            max_attempts: 25,
            max_crashes: 3,
            needs_check: false,
            notices: None,
        }
    }

    /// Refuses what no store can keep.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), StoreError> {
        let refuse = |field, found: String, accepted| Err(StoreError::Invalid { field, found, accepted });
        for (field, name) in [("queue", &self.queue), ("key", &self.key)] {
            if name.is_empty() || name.len() > LONGEST_NAME {
                return refuse(field, format!("{} bytes long", name.len()), "1 to 255 bytes");
            }
        }
        if self.payload.len() as u64 > limits.max_payload {
            return refuse(
                "payload",
                format!("{} bytes long", self.payload.len()),
                "no longer than max_payload",
            );
        }
        if self.fingerprint.len() > LONGEST_NAME.max(self.payload.len()) {
            return refuse("fingerprint", format!("{} bytes long", self.fingerprint.len()), "a digest");
        }
        if let Some(length) =
            self.notices.as_ref().map(|told| told.contact.len()).filter(|n| *n > LONGEST_CONTACT)
        {
            return refuse("notices.contact", format!("{length} bytes long"), "at most 2048 bytes");
        }
        if self.max_attempts == 0 || self.max_crashes == 0 {
            return refuse("max_attempts or max_crashes", "0".into(), "1 or more");
        }
        if self.expires_in.as_millis() == 0 || self.expires_in <= self.delay {
            return refuse("expires_in", format!("{:?}", self.expires_in), "longer than delay");
        }
        Ok(())
    }

    /// What it is when it comes at `now`.
    pub(crate) fn record(&self, now: Timestamp) -> Record {
        Record::ready(self, now)
    }
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items of one queue that have not ended. Default: 100,000.
    pub max_items: u64,
    /// Bytes of their payloads. Default: 256 MiB.
    pub max_bytes: u64,
    /// Bytes of one payload. Default: 1 MiB.
    pub max_payload: u64,
    /// How long a provider knows a key, from the first attempt on. Default: 24 h.
    pub provider_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_items: 100_000,
            max_bytes: 256 << 20,
            max_payload: 1 << 20,
            provider_window: Duration::from_secs(24 * 3_600),
        }
    }
}

/// An item with the call itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How it stands.
    pub view: View,
    /// The call.
    pub payload: Vec<u8>,
    /// Which layout the payload has.
    pub format: u16,
}

/// An item as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its number.
    pub id: ItemId,
    /// Its queue.
    pub queue: String,
    /// Its idempotency key.
    pub key: String,
    /// What has become of it.
    pub record: Record,
}

impl View {
    /// Until when it is kept, once it has ended: the dead until somebody has looked at them, but for notices, of which nobody is told.
    pub(crate) fn kept_until(&self, provider_window: Duration) -> Option<Timestamp> {
        let stays = matches!(self.record.state, State::Dead(_)) && self.queue != NOTICES;
        (!self.record.state.is_live() && !stays).then(|| self.record.keep_until(provider_window))
    }
}
