//! Calls that are kept while their dependency is down, and made when it is back.
//!
//! [`Fallbacks::queue`](crate::Fallbacks::queue) keeps a call in a store of the crate `fusebox-queue`, whose names are here too, and
//! answers its caller at once. A [`Replay`] makes it later: [`gate`] lets the dependency's own circuit decide when, [`send`] has each call
//! go through the very pipeline of live traffic, with its quota, places and breaker, and [`work`] turns it on tokio's timer.
//!
//! ```
//! use fusebox::queue::{self, Deferrer, Memory, Needs, NewItem, QueueStore};
//! use fusebox::{Fallbacks, Fuse, outcome::Source};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
//! let provider = Fuse::builder("provider").build()?;
//! // `queue::sqlite::Sqlite::open("payments.queue")?` keeps what it acknowledges; this one is for tests.
//! let store = Memory::new(queue::Limits::default());
//! let deferrer = Deferrer::new(store, &Needs { durable: false, ..Needs::default() })?;
//!
//! let answer = provider
//!     .run_chain(
//!         async || Err(std::io::Error::other("connection refused")),
//!         Fallbacks::new().queue(
//!             &deferrer,
//!             |_cause| Some(NewItem::new("payments", "order-17", b"capture 20 EUR")),
//!             |deferred| format!("accepted as {}", deferred.id.0),
//!         ),
//!     )
//!     .await?;
//! assert_eq!((&*answer.value, answer.source), ("accepted as 1", Source::Deferred { id: 1 }));
//! let kept = deferrer.store().find("payments", "order-17").await?.expect("it is kept");
//! assert!(kept.record.needs_check, "it was tried, so it may have been done");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).expect("kept");
//! ```

mod deferrer;
mod item;
mod work;

pub use deferrer::{Deferred, Deferrer};
pub use fusebox_queue::*;
pub use item::Queue;
pub use replay::rules::{Checked, Rules, Sent};
pub use replay::{Courier, Gate, GateState, Pace, Plan, Replay, Told};
pub use work::{Stop, gate, gate_state, send, work};
