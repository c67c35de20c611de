//! Making a cache.

use super::{Cache, Candidate, Config, Entry, Key, Shared};
use crate::clock::Clock;
use crate::error::InvalidConfig;
use fusebox_core::cache::{Count, Counters};
use fusebox_core::{Rng, SharedRng};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(super) type Weigh<K, V> = Arc<dyn Fn(&K, &V) -> u64 + Send + Sync>;
pub(super) type Judge<K, V> = Arc<dyn Fn(&K, &V) -> Candidate + Send + Sync>;

/// Makes a [`Cache`].
pub struct CacheBuilder<K, V, S = Arc<str>> {
    config: Config,
    clock: Clock,
    seed: Option<u64>,
    weigh: Weigh<K, V>,
    judge: Judge<K, V>,
    #[cfg(feature = "second-level")]
    pub(super) tiers: Vec<super::second::Tier<K, V, S>>,
    scope: PhantomData<fn() -> S>,
}

impl<K, V, S> fmt::Debug for CacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<K, V, S> CacheBuilder<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    pub(super) fn new(weigh: Weigh<K, V>) -> Self {
        CacheBuilder {
            config: Config::default(),
            clock: Clock::default(),
            seed: None,
            weigh,
            judge: Arc::new(|_, _| Candidate::default()),
            #[cfg(feature = "second-level")]
            tiers: Vec::new(),
            scope: PhantomData,
        }
    }

    /// Every setting at once.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How long an answer is as good as a live one. Default: 60 s.
    pub fn fresh_for(mut self, span: Duration) -> Self {
        self.config.fresh_for = span;
        self
    }

    /// How long after that it may still stand in for one. Default: 1 h.
    pub fn stale_for(mut self, span: Duration) -> Self {
        self.config.stale_for = span;
        self
    }

    /// Room for all entries, in bytes. Default: 64 MiB. What is stored may stand above it by a sixteenth for a moment.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// Look before calling, too. Default: off; kept answers are fallbacks only.
    pub fn read_through(mut self, on: bool) -> Self {
        self.config.read_through = on;
        self
    }

    /// What an answer says of being kept. Default: every good answer may be, on the cache's own terms. Where it panics, the
    /// answer is not kept.
    pub fn cacheable(mut self, judge: impl Fn(&K, &V) -> Candidate + Send + Sync + 'static) -> Self {
        self.judge = Arc::new(judge);
        self
    }

    /// Where time comes from: the circuit's clock. Default: [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the jitter of the waits after failed refreshes comes from. Default: the operating system's randomness.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Checks the settings and makes the cache.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    pub fn build(self) -> Result<Cache<K, V, S>, InvalidConfig> {
        let settings = self.config.check()?;
        let counters = Arc::new(Counters::default());
        let evictions = counters.clone();
        // The least recently used go first. Fallback reads come in bursts and say nothing of what will be asked for in the
        // next outage, so how often an entry was read is no guide; and an answer just stored must be there.
        let store = moka::sync::Cache::builder()
            .max_capacity(settings.config().max_bytes)
            .weigher(|_: &Key<K, S>, entry: &Arc<Entry<V>>| entry.weight)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.count(Count::Evicted);
                }
            })
            .build();
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        Ok(Cache(Arc::new(Shared {
            store,
            settings,
            clock: self.clock,
            rng: SharedRng::new(Rng::seeded(seed)),
            weigh: self.weigh,
            judge: self.judge,
            counters,
            untidy: AtomicU64::new(0),
            #[cfg(feature = "second-level")]
            tiers: self.tiers,
        })))
    }
}
