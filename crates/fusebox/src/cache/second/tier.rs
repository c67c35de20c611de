//! A level as one cache uses it: with the cache's keys and values.

use super::codec::whole_key;
use super::level::Level;
use super::writer::Entry;
use super::{Codec, LONGEST, LevelError, Place, record};
use crate::cache::Key;
use fusebox_core::cache::{Snapshot, Terms};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A level, and what is kept in it.
pub(in crate::cache) struct Tier<K, V, S> {
    level: Level,
    codec: Arc<dyn Codec<K, V, S>>,
}

/// What a level has.
pub(in crate::cache) struct Found<V> {
    pub(in crate::cache) value: V,
    pub(in crate::cache) terms: Terms,
    pub(in crate::cache) age: Duration,
}

impl<K, V, S> Tier<K, V, S>
where
    K: 'static,
    V: Send + Sync + 'static,
    S: 'static,
{
    pub(in crate::cache) fn new(level: Level, codec: Arc<dyn Codec<K, V, S>>) -> Self {
        Tier { level, codec }
    }

    /// What is kept there. Answers when the level has, or its time is over.
    pub(in crate::cache) async fn look(&self, key: &Key<K, S>) -> Option<Found<V>> {
        let (whole, place) = self.place(key);
        let bytes = self.level.ask(place.clone())?.await.ok().flatten()?;
        let shared = &*self.level.shared;
        // Code that decodes is the user's.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(key, &whole, &bytes)));
        let found = read.unwrap_or(Err(LevelError::Garbled));
        let found = found.map(|found| found.filter(|_| !shared.doomed.holds(&place)));
        let count = match &found {
            Ok(Some(_)) => &shared.tally.hits,
            Ok(None) => &shared.tally.misses,
            Err(error) => {
                shared.failed(error.clone());
                return None;
            }
        };
        count.fetch_add(1, Relaxed);
        found.ok().flatten()
    }

    fn read(&self, key: &Key<K, S>, whole: &[u8], bytes: &[u8]) -> Result<Option<Found<V>>, LevelError> {
        let shared = &*self.level.shared;
        let now = shared.wall.now();
        let Some(record) = record::read(bytes, whole, now)? else { return Ok(None) };
        let (terms, age) = (record.terms, record.age);
        if age >= terms.keeps_for() || !shared.doomed.trusts(now.saturating_sub(age)) {
            return Ok(None);
        }
        let value = self.codec.decode(&key.key, record.value).ok_or(LevelError::Garbled)?;
        Ok(Some(Found { value, terms, age }))
    }

    /// Writes in the background what `value` says, unless too much waits already.
    pub(in crate::cache) fn put<A>(
        &self,
        key: &Key<K, S>,
        value: Arc<A>,
        of: fn(&A) -> &V,
        terms: Terms,
        bytes: u64,
    ) where
        A: Send + Sync + 'static,
    {
        if !self.level.takes(bytes) {
            return;
        }
        let (whole, place) = self.place(key);
        let (codec, stored_at) = (self.codec.clone(), self.level.shared.wall.now());
        let keep_for = terms.keeps_for().min(LONGEST);
        let make = move || {
            let encoded = codec.encode(of(&value))?;
            let bytes = record::write(&whole, &encoded, terms, stored_at)?;
            Some(Entry { place, bytes, keep_for })
        };
        self.level.put(bytes, Box::new(make));
    }

    pub(in crate::cache) fn forget(&self, key: &Key<K, S>) {
        self.level.forget(self.place(key).1);
    }

    pub(in crate::cache) fn forget_group(&self, group: &[u8]) {
        self.level.forget(Place::of(b"", Some(group)));
    }

    /// Nothing that was stored until now is an answer to this process any more.
    pub(in crate::cache) fn distrust(&self) {
        let shared = &*self.level.shared;
        shared.doomed.distrust(shared.wall.now());
    }

    /// Changes whenever something is to be forgotten.
    pub(in crate::cache) fn epoch(&self) -> u64 {
        self.level.shared.doomed.epoch()
    }

    pub(in crate::cache) fn flush(&self, patience: Duration) {
        self.level.flush(patience);
    }

    pub(in crate::cache) fn add_to(&self, snapshot: &mut Snapshot) {
        self.level.shared.tally.add_to(snapshot);
    }

    fn place(&self, key: &Key<K, S>) -> (Vec<u8>, Place) {
        let whole = whole_key(&*self.codec, key);
        let place = Place::of(&whole, self.codec.group(&key.key).as_deref());
        (whole, place)
    }
}
