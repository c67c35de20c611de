//! What operators do to items, and the trail that it leaves.

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::item::View;
use crate::record::State;
use crate::store::Filter;
use std::fmt;

/// As many as a database can count.
const ALL_OF_THEM: usize = i64::MAX as usize;

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Makes waiting items due at once.
    Retry,
    /// Takes dead items back into the queue.
    Redrive,
    /// Says of waiting items that nobody is to make them.
    Bury,
    /// Calls waiting items off.
    Cancel,
    /// Erases items that are dead, expired or cancelled. What may have reached its dependency stays for as long as its key matters.
    Purge,
    /// Leases nothing more of a queue.
    Pause,
    /// Leases again.
    Resume,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 7] =
        [Act::Retry, Act::Redrive, Act::Bury, Act::Cancel, Act::Purge, Act::Pause, Act::Resume];

    /// The name it has for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Act::Retry => "retry",
            Act::Redrive => "redrive",
            Act::Bury => "bury",
            Act::Cancel => "cancel",
            Act::Purge => "purge",
            Act::Pause => "pause",
            Act::Resume => "resume",
        }
    }

    /// The act with this name.
    pub fn named(name: &str) -> Option<Act> {
        Act::ALL.into_iter().find(|act| act.as_str() == name)
    }

    /// The states of the items that it moves; none for what is done to a whole queue.
    pub const fn states(self) -> &'static [&'static str] {
        match self {
            Act::Retry | Act::Bury | Act::Cancel => &["ready"],
            Act::Redrive => &["dead"],
            Act::Purge => &["dead", "expired", "cancelled"],
            Act::Pause | Act::Resume => &[],
        }
    }

    /// Whether it moves this item, which it changes then; [`Act::Purge`] changes nothing, and is the store's to carry out.
    pub(crate) fn apply(self, view: &mut View, reason: &str, forget: bool, now: Timestamp) -> bool {
        let record = &mut view.record;
        match self {
            Act::Retry => record.hasten(now),
            Act::Redrive => record.redrive(now),
            Act::Bury => record.bury(reason, now),
            Act::Cancel => record.cancel(now),
            Act::Purge => {
                forget && matches!(record.state, State::Dead(_) | State::Expired | State::Cancelled)
            }
            Act::Pause | Act::Resume => false,
        }
    }
}

/// An operator's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub act: Act,
    /// To which items; for a pause its `queue` alone counts, and must be there.
    pub filter: Filter,
    /// To so many at most.
    pub limit: usize,
    /// Only says what it would do.
    pub dry_run: bool,
    /// Whose wish it is.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Order {
    /// An order by `actor` to all of a filter.
    pub fn new(act: Act, filter: Filter, actor: impl Into<String>, reason: impl Into<String>) -> Self {
        let (actor, reason) = (actor.into(), reason.into());
        Order { act, filter, limit: ALL_OF_THEM, dry_run: false, actor, reason }
    }

    /// Refuses what says too little.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let refuse = |field, accepted| Err(StoreError::Invalid { field, found: "missing".into(), accepted });
        if self.act.states().is_empty() && self.filter.queue.is_none() {
            return refuse("queue", "the queue to pause or resume");
        }
        if self.actor.is_empty() {
            return refuse("actor", "who it is");
        }
        Ok(())
    }

    pub(crate) fn audited(&self, items: usize, at: Timestamp) -> Audited {
        Audited {
            at,
            actor: self.actor.clone(),
            act: self.act.as_str().into(),
            filter: self.filter.to_string(),
            items: items as u64,
            reason: self.reason.clone(),
        }
    }
}

/// What an operator has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: an [`Act`]'s name.
    pub act: String,
    /// To which items, in words.
    pub filter: String,
    /// To how many.
    pub items: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.queue.as_ref().map(|queue| format!("queue={queue}")),
            self.state.map(|state| format!("state={state}")),
            self.class.map(|class| format!("class={}", class.as_str())),
            self.death.map(|death| format!("death={}", death.as_str())),
            self.id.map(|id| format!("id={}", id.0)),
            self.key.as_ref().map(|key| format!("key={key}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "all" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}
