//! Deferred calls: kept while a dependency is down, made when it is back.
//!
//! Three parts, apart from each other. [`record`] is what can become of one item, as a pure state machine: it reads no clock and
//! does no I/O. [`replay`] makes the calls when their dependency is back. A [`QueueStore`] keeps items and moves them only through that machine, by its own clock:
//!
//! | store | durable | for |
//! |---|---|---|
//! | [`Memory`] | no | tests, and as the model that other stores are compared with |
//! | [`Sqlite`](sqlite::Sqlite) | when it says so, through a power cut | one process, one file |
//! | `Postgres`, with the feature `postgres` | as its server says, usually through a power cut | several processes, and items in the caller's own transaction |
//! | [`Nats`](nats::Nats), feature `nats` | on three servers, or on one that syncs every write | many processes; a declared subset |
//!
//! What a store promises it declares as [`Capabilities`]; a policy that [`Needs`] more fails when it is built, not in the
//! outage. A [`worker`] (feature `worker`) consumes a stream of messages that is not a queue of calls. Delivery is at least once: a call that was on its way when a process died may have reached its dependency, so it
//! comes back with [`needs_check`](record::Record::needs_check), and whoever makes it again asks first.
//!
//! ```
//! use fusebox_queue::{LeaseRequest, Limits, Memory, NewItem, QueueStore, Settlement};
//! use std::time::Duration;
//!
//! # futures_executor::block_on(async {
//! let store = Memory::new(Limits::default());
//! store.enqueue(vec![NewItem::new("payments", "order-17", b"capture 20 EUR")]).await?;
//! let leased = store.lease(LeaseRequest::of("payments", 10, Duration::from_secs(30))).await?;
//! let done = Settlement::Complete { result: b"charged".to_vec() };
//! store.settle(vec![(leased[0].token, done)]).await?;
//! assert_eq!(store.stats("payments").await?.live(), 0);
//! # Ok::<(), fusebox_queue::StoreError>(())
//! # }).unwrap();
//! ```

mod capabilities;
mod clock;
mod error;
mod item;
mod memory;
mod meter;
#[cfg(feature = "nats")]
pub mod nats;
pub mod notice;
mod order;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod record;
pub mod replay;
pub mod report;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;
mod tally;
#[cfg(feature = "worker")]
pub mod worker;

pub use capabilities::{Capabilities, Missing, Needs, Unique};
pub use clock::{StoreClock, Timestamp};
pub use error::StoreError;
pub use item::{Entry, ItemId, Limits, NewItem, Token, View};
pub use memory::Memory;
pub use meter::{Counted, Metered};
pub use notice::{Event, Events, Notice, Notices};
pub use order::{Act, Audited, Order};
pub use store::{
    Answer, Cancelled, Enqueued, Filter, LeaseRequest, Leased, QueueStore, Settled, Settlement, Swept,
};
pub use tally::{ClassStats, Stats};
