//! Kept answers, for when the dependency has none.
//!
//! [`Cache`] holds them by weight in bytes and judges them by the core's rules: fresh, stale, expired. In a fallback
//! list ([`Fallbacks::cached`](crate::Fallbacks::cached)) it keeps every good live answer and answers in the dependency's
//! place; with [`read_through`](CacheBuilder::read_through) it is looked into before the call, too.
//!
//! By hand:
//!
//! ```
//! use fusebox::cache::{Cache, Key};
//! use fusebox::{Clock, outcome::Source};
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let pages: Cache<u32, String> = Cache::builder(|_id, page: &String| page.len() as u64)
//!     .fresh_for(Duration::from_secs(60))
//!     .clock(clock)
//!     .build()?;
//! let front = Key::shared(1);
//! pages.store(front.clone(), "hello".into())?;
//! hand.advance(Duration::from_secs(90));
//! let kept = pages.look(&front).ok_or("nothing kept")?;
//! assert_eq!((kept.value.as_str(), kept.source), ("hello", Source::Stale { age: Duration::from_secs(90) }));
//! assert!(pages.look(&Key::of("ann", 1)).is_none(), "another scope is another entry");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
#[cfg(feature = "second-level")]
mod deep;
#[cfg(feature = "cache-file")]
mod file;
mod key;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "second-level")]
mod second;

#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisAddress};
pub use builder::CacheBuilder;
#[cfg(feature = "cache-file")]
pub use file::CacheFile;
pub use fusebox_core::cache::{Candidate, Config, NotKept, Settings, Snapshot};
pub use key::{Key, Scope};
#[cfg(feature = "second-level")]
pub use second::{Codec, Encoded, LONGEST, Level, LevelBuilder, LevelError, Place, SecondLevel, Work, Write};

use crate::clock::Clock;
use builder::{Judge, Weigh};
use fusebox_core::cache::{Count, Counters, Judgement, Refresh, Terms};
use fusebox_core::outcome::Source;
use fusebox_core::{SharedRng, Time};
use std::fmt;
use std::hash::Hash;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What the store itself needs for an entry, roughly. Without it, empty answers would weigh nothing and never be too many.
const BOOKKEEPING: u64 = 160;
/// The store is told to make room whenever this part of it has been stored anew: it defers that, and counts in entries.
const TIDY_AFTER: u64 = 16;

/// A bounded store of answers. A cheap handle: clones share the entries, between threads and between runtimes.
///
/// `V` is cloned for every caller that has a kept answer: make it an [`Arc`] or `Bytes` where that is dear.
pub struct Cache<K, V, S = Arc<str>>(Arc<Shared<K, V, S>>);

struct Shared<K, V, S> {
    store: moka::sync::Cache<Key<K, S>, Arc<Entry<V>>>,
    settings: Settings,
    clock: Clock,
    rng: SharedRng,
    weigh: Weigh<K, V>,
    judge: Judge<K, V>,
    counters: Arc<Counters>,
    /// Bytes stored since the store was last told to make room.
    untidy: AtomicU64,
    #[cfg(feature = "second-level")]
    tiers: Vec<second::Tier<K, V, S>>,
}

struct Entry<V> {
    value: V,
    terms: Terms,
    stored_at: Time,
    /// How old it was then. What comes from elsewhere comes at its age.
    aged: Duration,
    weight: u32,
    refresh: Refresh,
}

impl<V> Entry<V> {
    fn judge(&self, now: Time) -> Judgement {
        self.terms.judge_aged(self.aged, self.stored_at, now)
    }
}

impl<K, V, S> Clone for Cache<K, V, S> {
    fn clone(&self) -> Self {
        Cache(self.0.clone())
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// A kept answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<V> {
    /// The answer.
    pub value: V,
    /// [`Source::Cached`] or [`Source::Stale`].
    pub source: Source,
}

/// What a look before the call says. From [`Cache::read`].
#[derive(Debug)]
#[must_use]
pub enum Read<K, V, S = Arc<str>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    /// Answer with this.
    Kept(Kept<V>),
    /// The entry is stale and it is this caller's turn to make the call, while all others have the stale answer.
    Refresh(Flight<K, V, S>),
    /// Nothing is kept: make the call.
    Nothing,
}

impl<K, V, S> Cache<K, V, S> {
    /// The settings it runs on.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The clock that its entries' ages are read on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    /// Starts with the default settings: fresh for a minute, stale for an hour, 64 MiB, fallback only.
    ///
    /// `weigh` says what an answer and its key take on the heap, in bytes; the entry itself and the store's own needs are
    /// added to it.
    pub fn builder(weigh: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> CacheBuilder<K, V, S> {
        CacheBuilder::new(Arc::new(weigh))
    }

    /// The answer kept under `key`, fresh or stale.
    pub fn look(&self, key: &Key<K, S>) -> Option<Kept<V>> {
        self.find(key).map(|(entry, source)| Kept { value: entry.value.clone(), source })
    }

    /// Looks before a call. Of the callers who find a stale entry, one has its [`Flight`] and the others the stale answer,
    /// until the flight has ended; and all of them have it for a while after a flight that failed.
    pub fn read(&self, key: &Key<K, S>) -> Read<K, V, S>
    where
        K: Clone,
        S: Clone,
    {
        let Some((entry, source)) = self.find(key) else { return Read::Nothing };
        if source != Source::Cached && entry.refresh.claim(self.0.clock.now()) {
            self.0.counters.count(Count::Refresh);
            return Read::Refresh(Flight { cache: self.clone(), key: Some(key.clone()), entry: Some(entry) });
        }
        Read::Kept(Kept { value: entry.value.clone(), source })
    }

    fn find(&self, key: &Key<K, S>) -> Option<(Arc<Entry<V>>, Source)> {
        let shared = &*self.0;
        let found = shared.store.get(key);
        let source = found.as_ref().and_then(|entry| entry.judge(shared.clock.now()).source());
        shared.counters.count(match source {
            Some(Source::Cached) => Count::HitFresh,
            Some(_) => Count::HitStale,
            None => Count::Miss,
        });
        Some((found?, source?))
    }

    /// Keeps a good answer, in place of an older one, if the cache's own judgement ([`CacheBuilder::cacheable`]) lets it.
    ///
    /// # Errors
    ///
    /// [`NotKept`] says why not; an older answer stays then.
    pub fn store(&self, key: Key<K, S>, value: V) -> Result<(), NotKept> {
        let judged = catch_unwind(AssertUnwindSafe(|| (self.0.judge)(&key.key, &value)));
        match judged {
            Ok(candidate) => self.store_as(key, value, &candidate),
            Err(_) => self.refuse(NotKept::Panicked),
        }
    }

    /// As [`store`](Self::store), with what the answer says of itself.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    pub fn store_as(&self, key: Key<K, S>, value: V, candidate: &Candidate) -> Result<(), NotKept> {
        let shared = &*self.0;
        let bytes = match self.weighed(&key, &value) {
            Ok(bytes) => bytes,
            Err(why) => return self.refuse(why),
        };
        let terms = match shared.settings.admit(candidate, key.is_shared(), bytes) {
            Ok(terms) => terms,
            Err(why) => return self.refuse(why),
        };
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (stored_at, aged) = (shared.clock.now(), Duration::ZERO);
        let entry = Arc::new(Entry { value, terms, stored_at, aged, weight, refresh: Refresh::default() });
        #[cfg(feature = "second-level")]
        self.write_behind(&key, &entry);
        shared.store.insert(key, entry);
        shared.counters.count(Count::Stored);
        self.tidy(bytes);
        Ok(())
    }

    /// Keeps what `other` keeps, too, as far as there is room: each answer at its age, for the times that it was stored
    /// with. For a cache that takes the place of another.
    pub fn take_over(&self, other: &Cache<K, V, S>)
    where
        K: Clone,
        S: Clone,
    {
        for (key, entry) in &other.0.store {
            if u64::from(entry.weight) <= self.0.settings.config().max_bytes {
                self.0.store.insert((*key).clone(), entry.clone());
            }
        }
        self.0.store.run_pending_tasks();
    }

    /// What an entry takes, in bytes.
    fn weighed(&self, key: &Key<K, S>, value: &V) -> Result<u64, NotKept> {
        let own = catch_unwind(AssertUnwindSafe(|| (self.0.weigh)(&key.key, value)));
        let fixed = (size_of::<Key<K, S>>() + size_of::<Entry<V>>()) as u64 + BOOKKEEPING;
        own.map(|own| own.saturating_add(fixed)).map_err(|_| NotKept::Panicked)
    }

    /// So many bytes have come.
    fn tidy(&self, bytes: u64) {
        let shared = &*self.0;
        let untidy = shared.untidy.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if untidy >= shared.settings.config().max_bytes / TIDY_AFTER {
            shared.untidy.store(0, Relaxed);
            shared.store.run_pending_tasks();
        }
    }

    fn refuse(&self, why: NotKept) -> Result<(), NotKept> {
        self.0.counters.count(Count::NotKept);
        Err(why)
    }

    /// Drops the answer kept under `key`: what was asked for has changed. A call that began before, and ends after, may
    /// still store what it was answered.
    pub fn forget(&self, key: &Key<K, S>) {
        #[cfg(feature = "second-level")]
        self.0.tiers.iter().for_each(|tier| tier.forget(key));
        self.0.store.invalidate(key);
    }

    /// Drops every answer. What second levels keep until now is no answer to this process any more; it stays there for
    /// others.
    pub fn clear(&self) {
        #[cfg(feature = "second-level")]
        self.0.tiers.iter().for_each(second::Tier::distrust);
        self.0.store.invalidate_all();
    }

    /// Drops what has expired, and says how many entries that was. They are not answers any more in any case; this gives
    /// their room back before somebody else needs it. Looks at every entry.
    pub fn sweep(&self) -> u64 {
        let now = self.0.clock.now();
        let mut swept = 0;
        for (key, entry) in &self.0.store {
            if entry.judge(now) == Judgement::Expired {
                self.0.store.invalidate(&*key);
                swept += 1;
            }
        }
        swept
    }

    /// The counters, and what is held now.
    pub fn snapshot(&self) -> Snapshot {
        let shared = &*self.0;
        shared.store.run_pending_tasks();
        let max_bytes = shared.settings.config().max_bytes;
        let (entries, bytes) = (shared.store.entry_count(), shared.store.weighted_size());
        #[cfg_attr(not(feature = "second-level"), expect(unused_mut, reason = "second levels add to it"))]
        let mut snapshot = shared.counters.snapshot(entries, bytes, max_bytes);
        #[cfg(feature = "second-level")]
        shared.tiers.iter().for_each(|tier| tier.add_to(&mut snapshot));
        snapshot
    }
}

/// One caller's turn to refresh a stale entry; nobody else has one for it meanwhile. Say what came of it; a flight that
/// is dropped gives the turn to the next caller at once, and one that a panic drops has failed.
#[must_use = "a flight that is dropped gives its turn to the next caller"]
pub struct Flight<K, V, S = Arc<str>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    cache: Cache<K, V, S>,
    key: Option<Key<K, S>>,
    entry: Option<Arc<Entry<V>>>,
}

impl<K, V, S> Flight<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    /// The live answer, to be kept in place of the stale one.
    ///
    /// # Errors
    ///
    /// [`NotKept`] says why it is not kept. That is a refresh that failed: the stale answer stays.
    pub fn land(self, value: V) -> Result<(), NotKept> {
        self.end(|cache, key| cache.store(key, value))
    }

    /// As [`land`](Self::land), with what the answer says of itself.
    ///
    /// # Errors
    ///
    /// As [`land`](Self::land).
    pub fn land_as(self, value: V, candidate: &Candidate) -> Result<(), NotKept> {
        self.end(|cache, key| cache.store_as(key, value, candidate))
    }

    /// There is no live answer to keep. The stale one stays, and nobody tries again for a while.
    pub fn failed(mut self) {
        self.fail();
    }

    fn end(
        mut self,
        store: impl FnOnce(&Cache<K, V, S>, Key<K, S>) -> Result<(), NotKept>,
    ) -> Result<(), NotKept> {
        let kept = self.key.take().map_or(Ok(()), |key| store(&self.cache, key));
        match kept {
            Ok(()) => self.entry = None,
            Err(_) => self.fail(),
        }
        kept
    }

    fn fail(&mut self) {
        if let Some(entry) = self.entry.take() {
            let shared = &*self.cache.0;
            shared.counters.count(Count::RefreshFailed);
            entry.refresh.failed(shared.clock.now(), &shared.settings.config().refresh, &shared.rng);
        }
    }
}

impl<K, V, S> Drop for Flight<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail();
        } else if let Some(entry) = self.entry.take() {
            entry.refresh.give_back();
        }
    }
}

impl<K, V, S> fmt::Debug for Flight<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
    }
}
