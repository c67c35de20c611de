//! The items of a list.

use super::Cause;
#[cfg(feature = "tokio")]
use super::list::Item;
use super::list::{BlockingItem, Items};
#[cfg(feature = "cache")]
use crate::cache::{Cache, Flight, Kept, Key, Read};
use crate::classify::Classify;
#[cfg(feature = "tokio")]
use crate::fuse::Fuse;
use crate::fuse::{Answer, BlockingFuse};
use fusebox_core::Outcome;
use fusebox_core::fallback::Kind;
use fusebox_core::outcome::Source;
#[cfg(feature = "tokio")]
use pin_project_lite::pin_project;
#[cfg(feature = "cache")]
use std::hash::Hash;
#[cfg(feature = "tokio")]
use std::pin::Pin;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll};

/// A kept answer. From [`Fallbacks::cached`](super::Fallbacks::cached).
#[cfg(feature = "cache")]
#[derive(Debug)]
pub struct Cached<'a, K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    pub(super) cache: &'a Cache<K, V, S>,
    /// Until the live answer is stored under it.
    pub(super) key: Option<Key<K, S>>,
    flight: Option<Flight<K, V, S>>,
    #[cfg(feature = "second-level")]
    pub(super) behind: super::behind::Behind<V>,
}

#[cfg(feature = "cache")]
impl<'a, K, V, S> Cached<'a, K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Hash + Eq + Send + Sync + 'static,
{
    pub(super) fn new(cache: &'a Cache<K, V, S>, key: Key<K, S>) -> Self {
        Cached {
            cache,
            key: Some(key),
            flight: None,
            #[cfg(feature = "second-level")]
            behind: super::behind::Behind::default(),
        }
    }

    /// In the first level, without waiting.
    #[cfg(not(feature = "second-level"))]
    fn look(&self) -> Option<(V, Source)> {
        let Kept { value, source } = self.cache.look(self.key.as_ref()?)?;
        Some((value, source))
    }
}

#[cfg(feature = "cache")]
impl<K, V, S> Items<V> for Cached<'_, K, V, S>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Clone + Hash + Eq + Send + Sync + 'static,
{
    const KEEPS: bool = true;

    fn read(&mut self) -> Option<Answer<V>> {
        if !self.cache.settings().config().read_through {
            return None;
        }
        match self.cache.read(self.key.as_ref()?) {
            Read::Kept(Kept { value, source }) => Some(Answer { value, source }),
            Read::Refresh(flight) => {
                self.flight = Some(flight);
                None
            }
            Read::Nothing => None,
        }
    }

    fn keep(&mut self, value: &V) {
        // Why an answer is not kept is the cache's to count; the caller has it either way.
        let _ = match (self.flight.take(), self.key.take()) {
            (Some(flight), _) => flight.land(value.clone()),
            (None, Some(key)) => self.cache.store(key, value.clone()),
            (None, None) => Ok(()),
        };
    }

    fn miss(&mut self, _: bool) {
        if let Some(flight) = self.flight.take() {
            flight.failed();
        }
    }

    fn kinds(&self, list: &mut Vec<Kind>) {
        list.push(Kind::Cached);
    }
}

#[cfg(all(feature = "cache", feature = "tokio"))]
impl<K, V, S, E> Item<V, E> for Cached<'_, K, V, S>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Clone + Hash + Eq + Send + Sync + 'static,
{
    fn kind(&self) -> Kind {
        Kind::Cached
    }

    fn poll_answer(
        self: Pin<&mut Self>,
        _: Cause<'_, V, E>,
        _: bool,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<(V, Source)>> {
        #[cfg(feature = "second-level")]
        return self.get_mut().poll_behind(_cx);
        #[cfg(not(feature = "second-level"))]
        Poll::Ready(self.look())
    }
}

#[cfg(feature = "cache")]
impl<K, V, S, E> BlockingItem<V, E> for Cached<'_, K, V, S>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: Clone + Hash + Eq + Send + Sync + 'static,
{
    fn kind(&self) -> Kind {
        Kind::Cached
    }

    fn answer_blocking(self, _: Cause<'_, V, E>, _: bool) -> Option<(V, Source)> {
        #[cfg(feature = "second-level")]
        return self.look_further();
        #[cfg(not(feature = "second-level"))]
        self.look()
    }
}

#[cfg(feature = "tokio")]
pin_project! {
    /// Another service, endpoint or region, behind its own circuit. From
    /// [`Fallbacks::alternative`](super::Fallbacks::alternative) and
    /// [`Fallbacks::other_region`](super::Fallbacks::other_region).
    #[derive(Debug)]
    pub struct Alternative<Fut> {
        #[pin]
        pub(super) call: Fut,
        pub(super) source: Source,
    }
}

/// The call that an alternative makes when it is asked, and not before.
#[cfg(feature = "tokio")]
pub(super) async fn ask<K, T, E, Fut>(fuse: &Fuse<K>, mut op: impl FnMut() -> Fut) -> Option<T>
where
    K: Classify<T, E>,
    Fut: Future<Output = Result<T, E>>,
{
    ask_at(fuse, |_| op()).await
}

/// The same, told which endpoint.
#[cfg(feature = "tokio")]
pub(super) async fn ask_at<K, T, E, Fut>(fuse: &Fuse<K>, op: impl FnMut(&str) -> Fut) -> Option<T>
where
    K: Classify<T, E>,
    Fut: Future<Output = Result<T, E>>,
{
    let value = fuse.run_at(op).await.ok()?;
    good(fuse.classifier(), value).ok()
}

#[cfg(feature = "tokio")]
impl<T, Fut> Items<T> for Alternative<Fut> {
    const KEEPS: bool = false;
    const CALLS: bool = true;

    fn read(&mut self) -> Option<Answer<T>> {
        None
    }

    fn keep(&mut self, _: &T) {}

    fn miss(&mut self, _: bool) {}

    fn kinds(&self, list: &mut Vec<Kind>) {
        list.push(kind_of(self.source));
    }
}

#[cfg(feature = "tokio")]
impl<T, E, Fut: Future<Output = Option<T>>> Item<T, E> for Alternative<Fut> {
    fn kind(&self) -> Kind {
        kind_of(self.source)
    }

    fn poll_answer(
        self: Pin<&mut Self>,
        _: Cause<'_, T, E>,
        _: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(T, Source)>> {
        let source = self.source;
        self.project().call.poll(cx).map(|value| value.map(|value| (value, source)))
    }
}

/// As an alternative, for blocking code. From
/// [`Fallbacks::alternative_blocking`](super::Fallbacks::alternative_blocking) and
/// [`Fallbacks::other_region_blocking`](super::Fallbacks::other_region_blocking).
#[derive(Debug)]
pub struct BlockingAlternative<'a, K, F> {
    pub(super) fuse: &'a BlockingFuse<K>,
    pub(super) op: F,
    pub(super) source: Source,
}

impl<T, K, F> Items<T> for BlockingAlternative<'_, K, F> {
    const KEEPS: bool = false;
    const CALLS: bool = true;

    fn read(&mut self) -> Option<Answer<T>> {
        None
    }

    fn keep(&mut self, _: &T) {}

    fn miss(&mut self, _: bool) {}

    fn kinds(&self, list: &mut Vec<Kind>) {
        list.push(kind_of(self.source));
    }
}

impl<T, E, E2, K, F> BlockingItem<T, E> for BlockingAlternative<'_, K, F>
where
    K: Classify<T, E2>,
    F: FnMut() -> Result<T, E2>,
{
    fn kind(&self) -> Kind {
        kind_of(self.source)
    }

    fn answer_blocking(self, _: Cause<'_, T, E>, _: bool) -> Option<(T, Source)> {
        let value = self.fuse.call(self.op).ok()?;
        good(self.fuse.classifier(), value).ok().map(|value| (value, self.source))
    }
}

fn kind_of(source: Source) -> Kind {
    match source {
        Source::OtherRegion => Kind::OtherRegion,
        _ => Kind::Alternative,
    }
}

/// A default value or function. From [`Fallbacks::or_default`](super::Fallbacks::or_default).
#[derive(Clone, Copy, Debug)]
pub struct Default<F>(pub(super) Option<F>);

// The function is moved out before it is called; nothing here is ever pinned.
impl<F> Unpin for Default<F> {}

impl<T, F> Items<T> for Default<F> {
    const KEEPS: bool = false;

    fn read(&mut self) -> Option<Answer<T>> {
        None
    }

    fn keep(&mut self, _: &T) {}

    fn miss(&mut self, _: bool) {}

    fn kinds(&self, list: &mut Vec<Kind>) {
        list.push(Kind::Default);
    }
}

#[cfg(feature = "tokio")]
impl<T, E, F: FnOnce(Cause<'_, T, E>) -> T> Item<T, E> for Default<F> {
    fn kind(&self) -> Kind {
        Kind::Default
    }

    fn poll_answer(
        mut self: Pin<&mut Self>,
        cause: Cause<'_, T, E>,
        _: bool,
        _: &mut Context<'_>,
    ) -> Poll<Option<(T, Source)>> {
        Poll::Ready(self.0.take().map(|default| (default(cause), Source::Default)))
    }
}

impl<T, E, F: FnOnce(Cause<'_, T, E>) -> T> BlockingItem<T, E> for Default<F> {
    fn kind(&self) -> Kind {
        Kind::Default
    }

    fn answer_blocking(self, cause: Cause<'_, T, E>, _: bool) -> Option<(T, Source)> {
        self.0.map(|default| (default(cause), Source::Default))
    }
}

/// Whether an answer is one by the classifier, too: the dependency did its work. The answer comes back either way.
pub(super) fn good<T, E>(classify: &impl Classify<T, E>, value: T) -> Result<T, T> {
    let result = Ok(value);
    let is_good = classify.classify(&result).outcome == Outcome::Success;
    match result {
        Ok(value) if is_good => Ok(value),
        Ok(value) => Err(value),
        Err(_) => unreachable!("it was made four lines above"),
    }
}
