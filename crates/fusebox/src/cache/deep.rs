//! Looking further than the first level.

use super::second::{Level, Tier};
use super::{Cache, CacheBuilder, Codec, Entry, Kept, Key};
use fusebox_core::cache::Refresh;
use fusebox_core::outcome::Source;
use std::hash::Hash;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

impl<K, V, S> CacheBuilder<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    /// A level behind the entries in the process, and behind those levels that were named before. What is stored is
    /// written to all of them, in the background.
    ///
    /// A call's fallback looks there, as do [`Cache::look_further`] and [`Cache::look_further_blocking`];
    /// [`Cache::look`] and [`Cache::read`] do not.
    pub fn second_level(mut self, level: Level, codec: impl Codec<K, V, S>) -> Self {
        self.tiers.push(Tier::new(level, Arc::new(codec)));
        self
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    /// As [`look`](Self::look), and then in the second levels, one after the other until one has a fresh answer; else it is
    /// the youngest. What is found there is kept here, at its age.
    ///
    /// Needs no particular executor. Takes as long as the timeouts of the levels together, at most.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future changes nothing.
    pub async fn look_further(&self, key: &Key<K, S>) -> Option<Kept<V>>
    where
        K: Clone,
        S: Clone,
    {
        match self.look(key) {
            None if self.has_levels() => self.look_behind(key).await,
            found => found,
        }
    }

    /// As [`look_further`](Self::look_further), for blocking code.
    pub fn look_further_blocking(&self, key: &Key<K, S>) -> Option<Kept<V>>
    where
        K: Clone,
        S: Clone,
    {
        match self.look(key) {
            None if self.has_levels() => super::second::wait(self.look_behind(key)),
            found => found,
        }
    }

    /// Whether there is a second level.
    pub fn has_levels(&self) -> bool {
        !self.0.tiers.is_empty()
    }

    /// In the second levels alone, for who has seen what is kept here and has no use for it. What is found is kept here
    /// unless there is a younger one.
    ///
    /// # Cancel safety
    ///
    /// As [`look_further`](Self::look_further).
    pub async fn look_behind(&self, key: &Key<K, S>) -> Option<Kept<V>>
    where
        K: Clone,
        S: Clone,
    {
        let mut best: Option<Entry<V>> = None;
        let before = self.epochs();
        for tier in &self.0.tiers {
            let Some(found) = tier.look(key).await else { continue };
            let entry = Entry {
                value: found.value,
                terms: found.terms,
                stored_at: self.0.clock.now(),
                aged: found.age,
                weight: 0,
                refresh: Refresh::default(),
            };
            if best.as_ref().is_none_or(|best| entry.age_at(entry.stored_at) < best.age_at(entry.stored_at)) {
                best = Some(entry);
            }
            let is_fresh = |entry: &Entry<V>| entry.judge(entry.stored_at).source() == Some(Source::Cached);
            if best.as_ref().is_some_and(is_fresh) {
                break;
            }
        }
        let mut entry = best?;
        let source = entry.judge(self.0.clock.now()).source()?;
        let value = entry.value.clone();
        if let Ok(bytes) = self.weighed(key, &entry.value)
            && bytes <= self.0.settings.max_entry_bytes()
        {
            entry.weight = u32::try_from(bytes).unwrap_or(u32::MAX);
            let (entry, now) = (Arc::new(entry), self.0.clock.now());
            // Somebody may have kept a live answer meanwhile.
            let kept = self.0.store.entry(key.clone()).and_upsert_with(|old| match old {
                Some(old) if old.value().age_at(now) < entry.age_at(now) => old.into_value(),
                _ => entry.clone(),
            });
            if self.epochs() != before {
                // It was to be forgotten meanwhile, or something else was.
                if Arc::ptr_eq(kept.value(), &entry) {
                    self.0.store.invalidate(key);
                }
                return None;
            }
            self.tidy(bytes);
        } else if self.epochs() != before {
            return None;
        }
        Some(Kept { value, source })
    }

    /// Drops what second levels keep of a group, as the [`Codec`] names it. Entries in this process stay; the next answers
    /// come from them still.
    pub fn forget_group(&self, group: &[u8]) {
        self.0.tiers.iter().for_each(|tier| tier.forget_group(group));
    }

    /// Waits until second levels have written what has been stored so far, for each as long as this at most: before the
    /// process ends. Blocks.
    pub fn flush(&self, patience: Duration) {
        self.0.tiers.iter().for_each(|tier| tier.flush(patience));
    }

    /// Writes an entry to the second levels.
    pub(super) fn write_behind(&self, key: &Key<K, S>, entry: &Arc<Entry<V>>) {
        let bytes = u64::from(entry.weight).saturating_sub(size_of::<Entry<V>>() as u64);
        for tier in &self.0.tiers {
            tier.put(key, entry.clone(), |entry: &Entry<V>| &entry.value, entry.terms, bytes);
        }
    }

    fn epochs(&self) -> u64 {
        self.0.tiers.iter().map(Tier::epoch).fold(0, u64::wrapping_add)
    }
}

impl<V> Entry<V> {
    fn age_at(&self, now: fusebox_core::Time) -> Duration {
        self.aged.saturating_add(now.since(self.stored_at))
    }
}
