//! What a store does.

use crate::capabilities::Capabilities;
use crate::error::StoreError;
use crate::item::{Entry, ItemId, NewItem, Token, View};
use crate::order::{Audited, Order};
use crate::record::{Death, State};
use crate::tally::Stats;
use fusebox_core::Priority;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A store's answer, as a future: boxed, so that stores can be held as `dyn QueueStore`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps items, and moves them by the [state machine](crate::record) and its own clock only.
///
/// # Cancel safety
///
/// A future that is dropped may have had its effect or none. Whoever enqueues again under the same key finds out.
pub trait QueueStore: Send + Sync {
    /// What it promises.
    fn capabilities(&self) -> Capabilities;

    /// Takes items, all or none; answers for each in order. With [`Enqueued::Stored`] it is as durable as the store
    /// [promises](Capabilities::durable_on_ack).
    fn enqueue(&self, items: Vec<NewItem>) -> Answer<'_, Vec<Enqueued>>;

    /// Leases items that are due, by class and then by when they were due. Their attempts are counted, durably, before it
    /// answers. None of a queue that is paused.
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Vec<Leased>>;

    /// Makes leases hold for `ttl` from now.
    fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Answer<'_, Vec<Settled>>;

    /// Tells what came of leased calls; answers for each in order.
    fn settle(&self, settlements: Vec<(Token, Settlement)>) -> Answer<'_, Vec<Settled>>;

    /// Lets happen what time alone brings about, to at most `limit` items of each kind: leases that ran out, items that ran
    /// out of time, ended ones whose key need not be known any more.
    fn sweep(&self, limit: usize) -> Answer<'_, Swept>;

    /// The item with this key.
    fn find(&self, queue: &str, key: &str) -> Answer<'_, Option<View>>;

    /// The item with this number, and its call.
    fn show(&self, id: ItemId) -> Answer<'_, Option<Entry>>;

    /// Items, the oldest first.
    fn list(&self, filter: Filter, limit: usize) -> Answer<'_, Vec<View>>;

    /// Calls an item off that is not being sent.
    fn cancel(&self, id: ItemId) -> Answer<'_, Cancelled>;

    /// Does what an operator wants, and writes it down in the same transaction; answers whom it moved. A store may do it in parts, if
    /// it writes down how far it has come with each. A dry run changes nothing, and is not written down.
    fn operate(&self, order: Order) -> Answer<'_, Vec<ItemId>>;

    /// What operators have done, the latest first.
    fn audit(&self, limit: usize) -> Answer<'_, Vec<Audited>>;

    /// Every queue that has, or had, an item, by name.
    fn queues(&self) -> Answer<'_, Vec<String>>;

    /// How a queue stands.
    fn stats(&self, queue: &str) -> Answer<'_, Stats>;
}

/// What became of an item that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is kept.
    Stored(ItemId),
    /// It was there already, and is as it is.
    Duplicate {
        /// The item.
        id: ItemId,
        /// Where it stands.
        state: State,
    },
    /// Its key belongs to another call.
    KeyConflict(ItemId),
    /// The queue is full. Nothing of it is kept.
    Full {
        /// Items that have not ended.
        depth: u64,
        /// Bytes of their payloads.
        bytes: u64,
    },
}

/// A wish to make calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Of which queue.
    pub queue: String,
    /// At most so many of each class, as [`Priority::ALL`]: the lowest first.
    pub quota: [usize; 4],
    /// At most so many in all.
    pub most: usize,
    /// How long they are leased for.
    pub ttl: Duration,
    /// Those that run out of time first, whatever their class and its quota. A store that keeps no order leases as usual.
    pub soonest: bool,
}

impl LeaseRequest {
    /// At most so many, of the highest classes first.
    pub fn of(queue: impl Into<String>, most: usize, ttl: Duration) -> Self {
        LeaseRequest { queue: queue.into(), quota: [most; 4], most, ttl, soonest: false }
    }
}

/// A call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Proof of the lease.
    pub token: Token,
    /// The item as it stands, this attempt counted.
    pub view: View,
    /// The call itself.
    pub payload: Vec<u8>,
    /// Which layout the payload has.
    pub format: u16,
}

/// What came of a leased call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was made.
    Complete {
        /// What it came to.
        result: Vec<u8>,
    },
    /// It is to be made again.
    Retry {
        /// Not before so long has passed.
        delay: Duration,
        /// Why.
        reason: String,
        /// Whether it was an attempt: not, if a circuit, a quota or a bulkhead kept it from leaving.
        counted: bool,
    },
    /// It never left: the attempt is given back, and the item keeps its place.
    Release,
    /// It ran out of time, and was surely not made.
    Expire,
    /// It is not to be made again.
    Bury {
        /// Why.
        death: Death,
        /// In words.
        reason: String,
    },
}

/// What a settlement has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// What was told is so now.
    Applied,
    /// The lease was over; that the call succeeded is kept all the same.
    LateSuccess,
    /// It was done already.
    AlreadyDone,
    /// The lease was over, and nothing has changed.
    Fenced,
}

/// What a sweep has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that ran out.
    pub crashed: u64,
    /// Of them, those of items that are dead now.
    pub died: u64,
    /// Items that ran out of time.
    pub expired: u64,
    /// Items that have waited so long that it is told of.
    pub delayed: u64,
    /// Ended items that are forgotten.
    pub forgotten: u64,
}

/// Which items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this queue; of all without one.
    pub queue: Option<String>,
    /// In the state with this [name](State::as_str).
    pub state: Option<&'static str>,
    /// Of this class.
    pub class: Option<Priority>,
    /// That died of this.
    pub death: Option<Death>,
    /// With this number.
    pub id: Option<ItemId>,
    /// With this key.
    pub key: Option<String>,
    /// That came after the item with this number: where a list goes on.
    pub after: Option<ItemId>,
}

impl Filter {
    /// Whether the filter lets this item through.
    pub fn admits(&self, view: &View) -> bool {
        self.queue.as_ref().is_none_or(|queue| *queue == view.queue)
            && self.state.is_none_or(|state| state == view.record.state.as_str())
            && self.class.is_none_or(|class| class == view.record.class)
            && self.death.is_none_or(|death| view.record.state == State::Dead(death))
            && self.id.is_none_or(|id| id == view.id)
            && self.key.as_ref().is_none_or(|key| *key == view.key)
            && self.after.is_none_or(|after| view.id > after)
    }
}

/// What calling an item off came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be made.
    Cancelled,
    /// It is being made, or has ended.
    TooLate(State),
    /// There is no such item.
    Unknown,
}
