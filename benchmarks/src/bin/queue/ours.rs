//! The store, asked from threads that wait for it.

use crate::load::{BYTES, QUEUE, key, next_number};
use fusebox_queue::sqlite::{Options, Sqlite};
use fusebox_queue::{Enqueued, LeaseRequest, Limits, NewItem, QueueStore, Settled, Settlement};
use futures_executor::block_on;
use std::path::Path;
use std::time::Duration;

/// The store with limits that no benchmark reaches; it counts up to them all the same.
pub(crate) fn open(path: &Path) -> Result<Sqlite, String> {
    let limits = Limits { max_items: 1 << 40, max_bytes: 1 << 50, ..Limits::default() };
    Sqlite::open_with(path, Options { limits, ..Options::default() }).map_err(|error| error.to_string())
}

/// A call as callers make them, with a digest of the usual length.
pub(crate) fn item(number: u64) -> NewItem {
    let key = key(number);
    NewItem { fingerprint: key.clone().into_bytes(), ..NewItem::new(QUEUE, key, [b'x'; BYTES]) }
}

/// Hands items over, and waits until they are kept.
pub(crate) fn enqueue(store: &Sqlite, items: Vec<NewItem>) -> Result<(), String> {
    let kept = block_on(store.enqueue(items)).map_err(|error| error.to_string())?;
    match kept.iter().find(|kept| !matches!(kept, Enqueued::Stored(_))) {
        None => Ok(()),
        Some(other) => Err(format!("not kept: {other:?}")),
    }
}

/// `count` more items, a thousand to a call.
pub(crate) fn fill(store: &Sqlite, count: u64) -> Result<(), String> {
    for from in (0..count).step_by(1_000) {
        let items = (from..count.min(from + 1_000)).map(|_| item(next_number())).collect();
        enqueue(store, items)?;
    }
    Ok(())
}

/// Leases up to `most` items and says that their calls were made; answers how many there were.
pub(crate) fn lease_and_settle(store: &Sqlite, most: usize) -> Result<u64, String> {
    let lease = LeaseRequest::of(QUEUE, most, Duration::from_secs(30));
    let leased = block_on(store.lease(lease)).map_err(|error| error.to_string())?;
    let complete = |leased: fusebox_queue::Leased| {
        assert_eq!(leased.payload.len(), BYTES);
        (leased.token, Settlement::Complete { result: Vec::new() })
    };
    let count = leased.len() as u64;
    let told = leased.into_iter().map(complete).collect();
    let settled = block_on(store.settle(told)).map_err(|error| error.to_string())?;
    match settled.iter().all(|settled| *settled == Settled::Applied) {
        true => Ok(count),
        false => Err("a lease was lost".into()),
    }
}
