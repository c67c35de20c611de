//! The users of A and of B: a steady stream of calls, whatever comes of them.
//!
//! It is an open loop: a call begins when its time has come, not when the one before it has ended. It is bounded by the
//! callers' patience: nobody waits for longer than a second.

use crate::service::{SOURCE, micros};
use crate::world::{PAGE, STOCK};
use example_stage::calls::Call;
use example_stage::client::Client;
use example_stage::clock;
use fusebox::Time;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls per second of one service.
pub(crate) const RATE: u32 = 60;
/// One call in so many needs the database.
pub(crate) const NEEDS_DATABASE: u32 = 12;
/// How long a caller waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Calls `service` for `length` from `start` on, and returns what came of each call when the last of them has ended.
/// Of every [`NEEDS_DATABASE`] calls, the one with the number `turn` needs the database.
pub(crate) async fn run(
    client: Client,
    (service, turn): (SocketAddr, u32),
    start: Time,
    length: Duration,
) -> Vec<Call> {
    let mut calls = JoinSet::new();
    for n in 0.. {
        let begun = Duration::from_secs(1) * n / RATE;
        if begun >= length {
            break;
        }
        clock::until(start + begun).await;
        let path = if n % NEEDS_DATABASE == turn { STOCK } else { PAGE };
        calls.spawn(call(client.clone(), service, path, start, begun));
    }
    let mut calls = calls.join_all().await;
    calls.sort_unstable_by_key(|call| call.begun);
    calls
}

/// Latency counts from when the call was due: a caller who is kept from asking waits as well.
async fn call(client: Client, service: SocketAddr, path: &str, start: Time, begun: Duration) -> Call {
    let answer = tokio::time::timeout(PATIENCE, client.get(service, path)).await;
    let took = clock::precise().now().since(start + begun);
    let answer = answer.ok().and_then(Result::ok).filter(|answer| answer.status().is_success());
    Call {
        begun: micros(begun),
        took: Some(micros(took)),
        answered: answer.is_some(),
        fallback: answer.is_some_and(|answer| answer.headers().contains_key(SOURCE)),
    }
}
