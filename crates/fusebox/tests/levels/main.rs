//! Second levels behind kept answers: a real Redis, a real file.

mod file;
mod hostile;
mod redis;
mod server;
mod trouble;

use fusebox::cache::{
    Cache, CacheBuilder, Codec, Encoded, Kept, Key, Level, LevelBuilder, Redis, RedisAddress,
};
use fusebox::outcome::Source;
use fusebox::{Answer, CircuitBreaker, Clock, Error, Fallbacks, Fuse, ManualClock};
use server::RedisServer;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const FRESH: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_secs(3_600);
/// Long enough for a machine that is busy.
const PATIENT: Duration = Duration::from_secs(10);

type Pages = Cache<u32, String>;

/// What a level says of its trouble.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }

    fn hears(&self, level: LevelBuilder) -> LevelBuilder {
        let lines = self.clone();
        level.on_trouble(move |line| lines.0.lock().expect("not poisoned").push(line.into()))
    }
}

/// The time of day, so many seconds after some morning.
fn day(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + secs)
}

fn codec() -> impl Codec<u32, String> {
    Encoded::new(
        |id: &u32| id.to_be_bytes().to_vec(),
        |page: &String| Some(page.clone().into_bytes()),
        |bytes| String::from_utf8(bytes.to_vec()).ok(),
    )
}

/// A circuit on a clock that stands still: open, it stays so.
fn circuit(clock: &Clock) -> CircuitBreaker {
    let builder = CircuitBreaker::builder("cache-redis").config(Level::breaker());
    builder.clock(clock.clone()).build().expect("the settings work")
}

fn redis_at(server: &RedisServer) -> LevelBuilder {
    let address: RedisAddress = server.url().parse().expect("an address");
    Level::builder(Redis::at(address).expect("TCP is there")).timeout(PATIENT)
}

fn pages(clock: &Clock) -> CacheBuilder<u32, String> {
    Cache::builder(|_, page: &String| page.len() as u64).clock(clock.clone()).seed(1)
}

/// A cache of its own, as another process has it, with this level behind it.
fn behind(level: LevelBuilder) -> (Pages, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    let level = level.start().expect("a thread");
    let cache = pages(&clock).second_level(level, codec()).build().expect("the settings work");
    (cache, clock, hand)
}

fn front() -> Key<u32> {
    Key::shared(1)
}

fn stale(value: &str, secs: u64) -> Option<Kept<String>> {
    Some(Kept { value: value.into(), source: Source::Stale { age: Duration::from_secs(secs) } })
}

fn cached(value: &str) -> Option<Kept<String>> {
    Some(Kept { value: value.into(), source: Source::Cached })
}

/// A call that fails, with the cache as its fallback.
async fn asked(cache: &Pages, key: Key<u32>) -> Result<Answer<String>, Error<&'static str>> {
    let fuse = Fuse::builder("pages").build().expect("the settings work");
    fuse.run_chain(|| ready(Err("down")), Fallbacks::new().cached(cache, key)).await
}

/// Waits for what happens soon; fails after some ten seconds.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited for {what}");
}
