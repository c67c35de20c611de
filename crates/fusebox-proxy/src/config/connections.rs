//! `max_connections`: connections to each endpoint, as places.

use super::chain::ConnectionLimit;
use super::keys::MAX_CONNECTIONS;
use super::reader::Entry;
use std::time::Duration;

const COUNT: &str = "a whole number from 1 to 1000000";
/// As a bulkhead has it.
const USUAL_WAIT: Duration = Duration::from_millis(100);
const USUAL_QUEUE: u32 = 25;

/// The limit that `entry` describes: a number, or a table.
pub(super) fn read(entry: &Entry<'_>) -> Option<ConnectionLimit> {
    let places = |e: &Entry<'_>| e.within(1, 1_000_000, COUNT).map(|places| places as u64);
    if entry.is_whole() {
        let per_endpoint = places(entry)?;
        return Some(ConnectionLimit { per_endpoint, max_wait: USUAL_WAIT, max_queue: USUAL_QUEUE });
    }
    let t = entry
        .table(&MAX_CONNECTIONS, "a number, as 100, a table, as { per_endpoint = 100 }, or false for off")?;
    if t.entry("per_endpoint").is_none() {
        t.missing("per_endpoint", COUNT);
    }
    let per_endpoint = t.entry("per_endpoint").and_then(|e| places(&e));
    let max_wait = t.or("max_wait", USUAL_WAIT, Entry::duration);
    let queue = |e: &Entry<'_>| e.within(0, 1_000_000, "a whole number up to 1000000").map(|n| n as u32);
    let max_queue = t.or("max_queue", USUAL_QUEUE, queue);
    let (per_endpoint, max_wait, max_queue) = (per_endpoint?, max_wait?, max_queue?);
    let unwritten = |key: &str| t.entry(key).is_none();
    Some(ConnectionLimit {
        per_endpoint,
        max_wait: if unwritten("max_wait") && max_queue == 0 { Duration::ZERO } else { max_wait },
        max_queue: if unwritten("max_queue") && max_wait.is_zero() { 0 } else { max_queue },
    })
}
