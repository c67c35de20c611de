//! What a store promises, and what a policy needs.

use std::fmt;
use std::time::Duration;

/// What a store promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// An item that is acknowledged survives a killed process and a power cut.
    pub durable_on_ack: bool,
    /// An item can be part of the caller's own transaction.
    pub transactional_enqueue: bool,
    /// How sure it is that one key is one item.
    pub unique: Unique,
    /// Classes that it tells apart.
    pub priorities: u8,
    /// Items can be due later.
    pub delay: bool,
    /// Its limits hold to the item and the byte.
    pub exact_cap: bool,
    /// Items can be called off.
    pub cancel: bool,
    /// Dead items can be taken back.
    pub redrive: bool,
    /// It knows when its oldest item came.
    pub oldest_age: bool,
    /// Within a class, what was due first goes first, and lists begin with the oldest.
    pub order: bool,
    /// Whoever asked is told what becomes of an item, if and only if it does.
    pub notices: bool,
    /// It takes operators' [orders](crate::Order), with an audit trail.
    pub operators: bool,
}

impl Capabilities {
    /// Of a store that keeps every item as a row of its own, and knows them all.
    pub(crate) const fn of_own_rows(durable_on_ack: bool) -> Self {
        Capabilities {
            durable_on_ack,
            transactional_enqueue: false,
            unique: Unique::Strong,
            priorities: 4,
            delay: true,
            exact_cap: true,
            cancel: true,
            redrive: true,
            oldest_age: true,
            order: true,
            notices: true,
            operators: true,
        }
    }
}

/// How sure a store is that one key is one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// For as long as the key matters.
    Strong,
    /// For so long.
    Window(Duration),
    /// Not at all.
    None,
}

/// What a policy needs of its store. The default is what deferring a payment needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Acknowledged is kept.
    pub durable: bool,
    /// One key is one item for at least so long.
    pub unique_for: Duration,
    /// Classes that must be told apart.
    pub priorities: u8,
    /// Limits must hold exactly.
    pub exact_cap: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Needs { durable: true, unique_for: Duration::from_secs(24 * 3_600), priorities: 4, exact_cap: false }
    }
}

/// What a store lacks of what is needed of it. Reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(Vec<String>);

impl Needs {
    /// Whether a store with these capabilities is enough.
    ///
    /// # Errors
    ///
    /// All that it lacks.
    ///
    /// ```
    /// use fusebox_queue::{Limits, Memory, Needs, QueueStore};
    /// let lacks = Needs::default().check(&Memory::new(Limits::default()).capabilities()).unwrap_err();
    /// assert!(lacks.to_string().contains("durable"));
    /// ```
    pub fn check(&self, store: &Capabilities) -> Result<(), Missing> {
        let mut missing = Vec::new();
        if self.durable && !store.durable_on_ack {
            missing.push("durable: the store may lose what it has acknowledged".into());
        }
        match store.unique {
            Unique::Window(window) if window < self.unique_for => {
                missing.push(format!(
                    "unique_for = {:?}: the store knows a key for {window:?}",
                    self.unique_for
                ));
            }
            Unique::None if !self.unique_for.is_zero() => {
                missing.push(format!("unique_for = {:?}: the store does not know keys", self.unique_for));
            }
            _ => {}
        }
        if self.priorities > store.priorities {
            missing.push(format!(
                "priorities = {}: the store tells {} apart",
                self.priorities, store.priorities
            ));
        }
        if self.exact_cap && !store.exact_cap {
            missing.push("exact_cap: the store's limits are approximate".into());
        }
        if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use the store: it lacks {}", self.0.join("; "))
    }
}

impl std::error::Error for Missing {}
