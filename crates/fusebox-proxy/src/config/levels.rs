//! `redis` and `persist`: where kept answers are beside the process's own memory.

use super::keys::CACHE_REDIS;
use super::reader::{Entry, Table};
use fusebox::cache::RedisAddress;
use std::path::PathBuf;
use std::time::Duration;

const REDIS: &str = "a table, as { url = \"redis://127.0.0.1:6379\" }";
const URL: &str = "where Redis is, as \"redis://127.0.0.1:6379\"";
const TIMEOUT: &str = "a duration from 1ms to 1s";
const PREFIX: &str = "up to 64 visible characters in quotes, as \"fusebox:\"";
const PATH: &str = "a file in quotes, as \"/var/lib/fusebox/cache.db\"";

/// Where kept answers are beside the process's own memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// A file that outlives the process.
    pub persist: Option<PathBuf>,
    /// A Redis that is shared.
    pub redis: Option<RedisPlan>,
}

/// A Redis that is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisPlan {
    /// Where it is.
    pub address: RedisAddress,
    /// How long a look waits for it.
    pub timeout: Duration,
    /// What the names of all entries begin with.
    pub prefix: String,
}

impl Levels {
    /// How many there are.
    pub fn count(&self) -> usize {
        usize::from(self.persist.is_some()) + usize::from(self.redis.is_some())
    }
}

/// The levels of the table `cached`.
pub(super) fn read(t: &Table<'_>) -> Option<Levels> {
    let persist = t.or("persist", None, |e| e.off_or(path));
    let redis = t.or("redis", None, |e| e.off_or(redis));
    Some(Levels { persist: persist?, redis: redis? })
}

fn path(e: &Entry<'_>) -> Option<PathBuf> {
    let is_file = |text: &str| !text.is_empty() && !text.ends_with('/') && !text.contains('\0');
    e.parsed(PATH, |text| is_file(text).then(|| text.into()))
}

fn redis(e: &Entry<'_>) -> Option<RedisPlan> {
    let t = e.table(&CACHE_REDIS, REDIS)?;
    if t.entry("url").is_none() {
        t.missing("url", URL);
    }
    let address = t.entry("url").and_then(|e| address(&e));
    let timeout = t.or("timeout", Duration::from_millis(30), timeout);
    let prefix = t.or("prefix", "fusebox:".into(), prefix);
    Some(RedisPlan { address: address?, timeout: timeout?, prefix: prefix? })
}

fn address(e: &Entry<'_>) -> Option<RedisAddress> {
    match e.text(URL)?.parse() {
        Ok(address) => Some(address),
        Err(accepted) => {
            e.refuse(&accepted);
            None
        }
    }
}

fn timeout(e: &Entry<'_>) -> Option<Duration> {
    let accepted = Duration::from_millis(1)..=Duration::from_secs(1);
    let timeout = e.duration()?;
    if !accepted.contains(&timeout) {
        e.refuse(TIMEOUT);
        return None;
    }
    Some(timeout)
}

fn prefix(e: &Entry<'_>) -> Option<String> {
    let is_plain = |text: &str| (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    e.parsed(PREFIX, |text| is_plain(text).then(|| text.into()))
}
