//! A list of fallbacks: the kept answer, another service, a default. The list is the order.
//!
//! `cargo run -p fusebox --example cached_fallback --features cache`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::cache::{Cache, Key};
use fusebox::{Answer, Clock, Fallbacks, Fuse};
use std::io::Error;
use std::time::Duration;

/// One call: how long after the one before, of whom, and what the services do.
struct Scene {
    after: Duration,
    caller: &'static str,
    live: Result<&'static str, &'static str>,
    mirror: Result<&'static str, &'static str>,
}

const fn scene(
    after: u64,
    caller: &'static str,
    live: Result<&'static str, &'static str>,
    mirror: Result<&'static str, &'static str>,
) -> Scene {
    Scene { after: Duration::from_secs(after), caller, live, mirror }
}

const SCENES: [Scene; 6] = [
    scene(0, "ann", Ok("3 orders"), Err("down")),
    scene(10, "ann", Err("reset"), Err("down")),
    scene(300, "ann", Err("reset"), Err("down")),
    // Nothing is kept for him, and what is kept for her is not for him.
    scene(0, "bob", Err("reset"), Ok("7 orders")),
    scene(0, "bob", Err("reset"), Err("down")),
    scene(7_200, "ann", Err("reset"), Err("down")),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Moved by hand, so that an hour passes at once. A real program leaves the clocks as they are.
    let (clock, hand) = Clock::manual();
    let orders = Fuse::builder("orders").clock(clock.clone()).build()?;
    let mirror = Fuse::builder("orders-mirror").clock(clock.clone()).build()?;
    // Fresh for a minute, then stale for an hour; at most 64 MiB; looked into only when the call has failed.
    let kept: Cache<&str, String> =
        Cache::builder(|_path, page: &String| page.len() as u64).clock(clock).build()?;

    for Scene { after, caller, live, mirror: backup } in SCENES {
        hand.advance(after);
        let list = Fallbacks::new()
            .cached(&kept, Key::of(caller, "/orders"))
            .alternative(&mirror, || answer(backup))
            .or_default(|cause| format!("no list now: failed to {cause}"));
        let Answer { value, source } = orders.run_chain(|| answer(live), list).await?;
        println!("{caller} {:>5} s later: {value} ({source:?})", after.as_secs());
    }

    let (cache, fallbacks) = (kept.snapshot(), orders.fallbacks());
    println!("cache: {} fresh, {} stale, {} misses", cache.hits_fresh, cache.hits_stale, cache.misses);
    for tally in fallbacks.by_kind.iter().filter(|tally| tally.answered + tally.nothing > 0) {
        println!("{}: answered {}, had nothing {}", tally.kind, tally.answered, tally.nothing);
    }
    assert_eq!((cache.hits_fresh, cache.hits_stale, fallbacks.answered()), (1, 1, 5));
    Ok(())
}

async fn answer(result: Result<&str, &str>) -> Result<String, Error> {
    result.map(str::to_owned).map_err(|error| Error::other(format!("read the orders: {error}")))
}
