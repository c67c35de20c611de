//! Kept answers: in a list of fallbacks, read through, by hand; in virtual time.

mod chain;
mod flight;
mod room;

use fusebox::breaker::{Config, HalfOpen, WaitInOpen, WaitStrategy};
use fusebox::cache::{Cache, CacheBuilder, Key};
use fusebox::{Clock, Fuse, FuseBuilder, ManualClock};
use std::time::Duration;

const FRESH: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

type Pages = Cache<u32, String>;

/// Fresh for a minute, stale for an hour.
fn pages(clock: &Clock) -> CacheBuilder<u32, String> {
    Cache::builder(|_, page: &String| page.len() as u64).clock(clock.clone()).seed(1)
}

fn built(builder: CacheBuilder<u32, String>) -> Pages {
    builder.build().expect("the settings work")
}

/// Opens at the third failure in a row for 30 s.
fn builder(clock: &Clock) -> FuseBuilder {
    let breaker = Config {
        consecutive_failures: Some(3),
        failure_rate: None,
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(Duration::from_secs(30)), jitter: 0.0 },
        half_open_probes: 1,
        half_open: HalfOpen::Count { success_threshold: 1, probe_failures: 1 },
        ..Config::default()
    };
    Fuse::builder("pages").breaker(breaker).clock(clock.clone())
}

fn scene() -> (Fuse, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    (builder(&clock).build().expect("the settings work"), clock, hand)
}

/// What everybody may see.
fn front() -> Key<u32> {
    Key::shared(1)
}
