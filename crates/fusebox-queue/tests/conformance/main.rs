//! What every store must do, on every store.

mod cap;
mod file;
mod keys;
mod leases;
mod life;
mod model;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
#[path = "../server/mod.rs"]
mod nats_server;
mod notices;
mod operators;
#[cfg(feature = "postgres")]
mod server;

use fusebox_queue::sqlite::{Options, Sqlite};
use fusebox_queue::{
    Act, Enqueued, Filter, ItemId, LeaseRequest, Leased, Limits, Memory, NewItem, Order, QueueStore,
    Settlement, StoreClock, Timestamp,
};
use std::any::Any;
use std::time::Duration;

#[cfg(not(feature = "nats"))]
use futures_executor::block_on;
#[cfg(feature = "nats")]
use nats_server::block_on;

/// A store under test, with its clock in our hand.
struct Stand {
    store: Box<dyn QueueStore>,
    clock: StoreClock,
    /// What must not go before the store does.
    _ground: Box<dyn Any + Send + Sync>,
}

const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

fn memory(limits: Limits) -> Stand {
    let clock = StoreClock::manual(BEGIN);
    Stand { store: Box::new(Memory::with_clock(limits, clock.clone())), clock, _ground: Box::new(()) }
}

fn sqlite(limits: Limits) -> Stand {
    let (clock, folder) = (StoreClock::manual(BEGIN), tempfile::tempdir().expect("a folder"));
    let options = Options { limits, clock: Some(clock.clone()), max_file_bytes: None };
    let store = Sqlite::open_with(folder.path().join("calls.queue"), options).expect("opens");
    Stand { store: Box::new(store), clock, _ground: Box::new(folder) }
}

/// Each of these tests, by name, on each store; on NATS, those that need nothing which it does not promise.
macro_rules! on_every_store {
    ($($test:ident $(: $need:ident)?),* $(,)?) => {
        mod memory {
            $(#[test] fn $test() { super::$test(crate::memory); })*
        }
        mod sqlite {
            $(#[test] fn $test() { super::$test(crate::sqlite); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() { super::$test(crate::server::postgres); })*
        }
        #[cfg(feature = "nats")]
        mod nats {
            $(crate::nats::on_nats!($test $(: $need)?);)*
        }
    };
}
use on_every_store;

type Make = fn(Limits) -> Stand;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn item(key: &str) -> NewItem {
    NewItem::new("q", key, key.as_bytes())
}

fn failed(counted: bool) -> Settlement {
    Settlement::Retry { delay: Duration::ZERO, reason: "failed".into(), counted }
}

fn done() -> Settlement {
    Settlement::Complete { result: b"ok".to_vec() }
}

impl Stand {
    fn put(&self, items: impl IntoIterator<Item = NewItem>) -> Vec<Enqueued> {
        block_on(self.store.enqueue(items.into_iter().collect())).expect("kept")
    }

    fn lease(&self, most: usize) -> Vec<Leased> {
        block_on(self.store.lease(LeaseRequest::of("q", most, secs(30)))).expect("leased")
    }

    /// Leases one item; there must be one.
    fn one(&self) -> Leased {
        self.lease(1).pop().expect("an item is due")
    }

    fn settle(&self, leased: &Leased, settlement: Settlement) -> fusebox_queue::Settled {
        block_on(self.store.settle(vec![(leased.token, settlement)])).expect("settled")[0]
    }

    fn sweep(&self) -> fusebox_queue::Swept {
        block_on(self.store.sweep(1_000)).expect("swept")
    }

    fn find(&self, key: &str) -> fusebox_queue::View {
        block_on(self.store.find("q", key)).expect("read").expect("it is there")
    }

    fn operate(&self, order: Order) -> Vec<ItemId> {
        block_on(self.store.operate(order)).expect("told")
    }

    fn pause(&self, paused: bool) {
        let act = if paused { Act::Pause } else { Act::Resume };
        self.operate(Order::new(act, Filter { queue: Some("q".into()), ..Filter::default() }, "ann", ""));
    }

    fn stats(&self) -> fusebox_queue::Stats {
        block_on(self.store.stats("q")).expect("read")
    }
}
