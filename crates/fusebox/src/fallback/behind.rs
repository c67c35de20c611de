//! A kept answer that may be in a second level: asked for there when the first has none.

use super::items::Cached;
use crate::cache::Kept;
use fusebox_core::outcome::Source;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

type Look<V> = Pin<Box<dyn Future<Output = Option<Kept<V>>> + Send>>;

/// A look that is under way.
pub(super) struct Behind<V>(Option<Look<V>>);

impl<V> Default for Behind<V> {
    fn default() -> Self {
        Behind(None)
    }
}

impl<V> fmt::Debug for Behind<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Behind").field(&self.0.is_some()).finish()
    }
}

// The look is boxed; nothing here is ever pinned.
impl<K, V, S> Unpin for Cached<'_, K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
}

impl<K, V, S> Cached<'_, K, V, S>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Clone + Hash + Eq + Send + Sync + 'static,
{
    pub(super) fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<Option<(V, Source)>> {
        let Some(key) = &self.key else { return Poll::Ready(None) };
        if self.behind.0.is_none() {
            match self.cache.look(key) {
                None if self.cache.has_levels() => {
                    let (cache, key) = (self.cache.clone(), key.clone());
                    self.behind.0 = Some(Box::pin(async move { cache.look_behind(&key).await }));
                }
                found => return Poll::Ready(found.map(told)),
            }
        }
        let Some(look) = &mut self.behind.0 else { return Poll::Ready(None) };
        let found = ready!(look.as_mut().poll(cx));
        self.behind.0 = None;
        Poll::Ready(found.map(told))
    }

    pub(super) fn look_further(&self) -> Option<(V, Source)> {
        self.cache.look_further_blocking(self.key.as_ref()?).map(told)
    }
}

fn told<V>(kept: Kept<V>) -> (V, Source) {
    (kept.value, kept.source)
}
