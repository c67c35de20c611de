//! How a queue stands.

use crate::clock::Timestamp;

/// A queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By class, as [`Priority::ALL`](fusebox_core::Priority::ALL): the lowest first.
    pub classes: [ClassStats; 4],
    /// Items whose call is being made.
    pub leased: u64,
    /// Items that have not ended and must be checked before they are sent.
    pub needs_check: u64,
    /// When the oldest item that has not ended came; by when it came, not by its class.
    pub oldest_created_at: Option<Timestamp>,
    /// Nothing is leased.
    pub paused: bool,
}

/// One class of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Items that have not ended.
    pub live: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Dead ones.
    pub dead: u64,
}

impl Stats {
    /// Items that have not ended.
    pub fn live(&self) -> u64 {
        self.classes.iter().map(|class| class.live).sum()
    }

    /// Bytes of their payloads.
    pub fn bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.bytes).sum()
    }

    /// Dead items.
    pub fn dead(&self) -> u64 {
        self.classes.iter().map(|class| class.dead).sum()
    }
}
