//! When a deferred call may be sent.
//!
//! | the item | what is done |
//! |---|---|
//! | has never left, and nothing says that it may have | send |
//! | was attempted before, or needs a check | check; then send if the dependency does not know it |
//! | was first attempted longer ago than the provider's window, less a margin | check only; one that is not found is dead |
//! | would end after it expires | neither: it goes back and expires |
//!
//! An answer of a check that says nothing sends nothing.

use crate::clock::Timestamp;
use crate::record::Death;
use crate::store::{Leased, Settlement};
use std::time::Duration;

/// When a call may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long the provider knows a key, from the first attempt on. Default: 24 h.
    pub provider_window: Duration,
    /// So long before that ends, nothing is sent any more. Default: 1 h.
    pub margin: Duration,
    /// How long a call takes at most. Default: 10 s.
    pub call_timeout: Duration,
    /// Asks before every call, also before one that was surely never sent by the queue: its caller may have sent it since. Default: no.
    pub always_check: bool,
}

impl Default for Rules {
    fn default() -> Self {
        let (day, hour) = (Duration::from_secs(24 * 3_600), Duration::from_secs(3_600));
        Rules {
            provider_window: day,
            margin: hour,
            call_timeout: Duration::from_secs(10),
            always_check: false,
        }
    }
}

/// What the dependency says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has done it, with this result.
    Completed(Vec<u8>),
    /// It is at it.
    Pending,
    /// It does not know it.
    NotFound,
    /// It did not say.
    Unknown(String),
    /// It cannot be asked, and sending the same key again does no harm while it knows the key.
    Unasked,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was made, with this result.
    Done(Vec<u8>),
    /// It failed, or nobody knows: it may be made again.
    Failed(String),
    /// The dependency will never do it.
    Refused(String),
    /// A circuit, a quota or a bulkhead kept it from leaving.
    NotSent(String),
    /// Nobody can read its payload.
    Undecodable(String),
}

impl Sent {
    /// Whether it speaks for the dependency; `None` if it says nothing of it.
    pub(super) fn is_good(&self) -> Option<bool> {
        match self {
            Sent::Done(_) | Sent::Refused(_) => Some(true),
            Sent::Failed(_) => Some(false),
            Sent::NotSent(_) | Sent::Undecodable(_) => None,
        }
    }
}

/// What to do with an item next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask the dependency.
    Check,
    /// Make the call.
    Send,
    /// Neither; tell the store this.
    Settle(Settlement),
}

impl Rules {
    /// What to do with an item that was just leased.
    pub fn first(&self, item: &Leased, now: Timestamp) -> Next {
        let record = &item.view.record;
        if self.always_check || record.needs_check || record.attempts > 1 {
            Next::Check
        } else {
            self.send(item, now)
        }
    }

    /// What to do when the dependency was asked.
    pub fn after_check(&self, item: &Leased, checked: Checked, now: Timestamp, backoff: Duration) -> Next {
        let later =
            |reason: String| Next::Settle(Settlement::Retry { delay: backoff, reason, counted: false });
        match checked {
            Checked::Completed(result) => Next::Settle(Settlement::Complete { result }),
            Checked::Pending => later("the dependency is at it".into()),
            Checked::Unknown(why) => later(why),
            Checked::NotFound | Checked::Unasked if !self.is_open(item, now) => {
                Next::Settle(Settlement::Bury {
                    death: Death::WindowPassed,
                    reason: "the provider may have forgotten its key; sending it again could do it twice"
                        .into(),
                })
            }
            // Too late to be sent, and surely not made.
            Checked::NotFound if self.is_too_late(item, now) => Next::Settle(Settlement::Expire),
            Checked::Unasked if self.is_too_late(item, now) => Next::Settle(Settlement::Bury {
                death: Death::Unresolved,
                reason: "it ran out of time, and nobody can be asked whether it was made".into(),
            }),
            Checked::NotFound | Checked::Unasked => Next::Send,
        }
    }

    /// Sends it, unless it would end after it expires.
    fn send(&self, item: &Leased, now: Timestamp) -> Next {
        match self.is_too_late(item, now) {
            true => Next::Settle(Settlement::Retry {
                delay: item.view.record.expires_at.since(now),
                reason: "it would end after it expires".into(),
                counted: false,
            }),
            false => Next::Send,
        }
    }

    /// Whether a call made now could end after its item expires.
    fn is_too_late(&self, item: &Leased, now: Timestamp) -> bool {
        now.after(self.call_timeout) > item.view.record.expires_at
    }

    /// Whether the provider still knows what it has seen of this item.
    fn is_open(&self, item: &Leased, now: Timestamp) -> bool {
        let window = self.provider_window.saturating_sub(self.margin);
        item.view.record.first_attempt_at.is_none_or(|first| now < first.after(window))
    }
}

/// What the store is told of a call.
pub fn after_send(sent: Sent, backoff: Duration) -> Settlement {
    match sent {
        Sent::Done(result) => Settlement::Complete { result },
        Sent::Failed(reason) => Settlement::Retry { delay: backoff, reason, counted: true },
        Sent::NotSent(reason) => Settlement::Retry { delay: backoff, reason, counted: false },
        Sent::Refused(reason) => Settlement::Bury { death: Death::Refused, reason },
        Sent::Undecodable(reason) => Settlement::Bury { death: Death::Undecodable, reason },
    }
}
