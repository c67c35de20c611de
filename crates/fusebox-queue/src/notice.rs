//! Telling a caller what became of its call, through the same queue.
//!
//! A notice is an item of its own, in the queue [`NOTICES`]: it is stored in the very transaction that changes the item it speaks
//! of, so it is told if and only if that has happened, and is delivered, retried and buried like every other.

use crate::clock::Timestamp;
use crate::item::{ItemId, NewItem, View};
use crate::record::{Record, State};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The queue of notices: a name that no service has.
pub const NOTICES: &str = ":notices";

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// Whom, for whoever delivers them: a webhook's address, an account.
    pub contact: String,
    /// Of what.
    pub events: Events,
    /// [`Event::Delayed`] is told when it has waited so long; never without it.
    pub delayed_after: Option<Duration>,
}

/// What can be told of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is kept for later.
    Deferred,
    /// It waits for long.
    Delayed,
    /// It was made.
    Done,
    /// It ran out of time.
    Expired,
    /// Nobody makes it any more.
    Dead,
}

impl Event {
    /// Every event.
    pub const ALL: [Event; 5] = [Event::Deferred, Event::Delayed, Event::Done, Event::Expired, Event::Dead];

    /// The name it has for callers and operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Event::Deferred => "deferred",
            Event::Delayed => "delayed",
            Event::Done => "done",
            Event::Expired => "expired",
            Event::Dead => "dead",
        }
    }
}

/// Some events. Stores keep the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(pub u8);

impl Events {
    /// All of them.
    pub const ALL: Events = Events(0b1_1111);

    /// These.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        Events(events.into_iter().fold(0, |sum, event| sum | 1 << event as u8))
    }

    /// Whether this one is among them.
    pub const fn contains(self, event: Event) -> bool {
        self.0 & 1 << event as u8 != 0
    }
}

/// What a notice says; its item's payload, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What has happened.
    pub event: Event,
    /// When, in milliseconds since 1970 in UTC.
    pub at: u64,
    /// Whom to tell.
    pub contact: String,
    /// The item's number.
    pub id: u64,
    /// The item's queue.
    pub queue: String,
    /// The item's idempotency key.
    pub key: String,
    /// The item's class.
    pub class: String,
    /// Attempts so far.
    pub attempts: u32,
    /// How long it has waited, in milliseconds.
    pub age: u64,
    /// Why it is dead, or was last retried.
    pub reason: Option<String>,
    /// What the call came to, where that is text.
    pub result: Option<String>,
}

/// The notice of an item that was just stored.
pub(crate) fn of_new(view: &View, now: Timestamp) -> Option<NewItem> {
    notice(view, Event::Deferred, now)
}

/// The notice of a change that was not there `before`.
pub(crate) fn of_change(view: &View, before: &Record, now: Timestamp) -> Option<NewItem> {
    let record = &view.record;
    if before.delayed_at.is_some() && record.delayed_at.is_none() && record.state == State::Ready {
        return notice(view, Event::Delayed, now);
    }
    let event = match record.state {
        _ if record.state == before.state => return None,
        State::Done => Event::Done,
        State::Expired => Event::Expired,
        State::Dead(_) => Event::Dead,
        _ => return None,
    };
    notice(view, event, now)
}

fn notice(view: &View, event: Event, now: Timestamp) -> Option<NewItem> {
    let View { id: ItemId(id), queue, key, record } = view;
    let contact = record.contact.clone().filter(|_| record.events.contains(event))?;
    let said = Notice {
        event,
        at: now.0,
        contact,
        id: *id,
        queue: queue.clone(),
        key: key.clone(),
        class: record.class.as_str().into(),
        attempts: record.attempts,
        age: u64::try_from(now.since(record.created_at).as_millis()).unwrap_or(u64::MAX),
        reason: record.reason.clone(),
        result: record.result.clone().and_then(|result| String::from_utf8(result).ok()),
    };
    let payload = serde_json::to_vec(&said).unwrap_or_default();
    let name = format!("{id}.{}.{}", event.as_str(), now.0);
    Some(NewItem {
        fingerprint: name.clone().into_bytes(),
        class: record.class,
        expires_in: Duration::from_secs(7 * 24 * 3_600),
        // It is told until it is taken, or a week has passed.
        max_attempts: u32::MAX >> 1,
        ..NewItem::new(NOTICES, name, payload)
    })
}
