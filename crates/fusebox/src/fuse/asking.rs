//! A call that says something of itself.

use super::scopes::key;
use super::{Answer, BlockingFuse, Fuse, Inner};
use crate::circuit::CircuitBreaker;
use crate::classify::Classify;
use crate::driver::{self, Policies, Told, Walk};
use crate::error::Error;
use crate::record::TraceId;
use fusebox_core::flow::{Finish, Try};
use fusebox_core::pipeline::Pipeline;
use fusebox_core::{Ask, Priority};
use std::time::Duration;

/// A call that says something of itself: made by [`Fuse::asking`](Fuse::asking), for one call or for many of a kind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fusebox::{Ask, Fuse, Priority, bulkhead};
///
/// let orders = Fuse::builder("orders").bulkhead(bulkhead::Config::default()).build()?;
/// let ask = Ask { priority: Priority::Critical, ..Ask::default() };
/// let paid = orders.asking(ask).run(async || Ok::<_, std::io::Error>("paid")).await?;
/// # assert_eq!(paid, "paid");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Asking<'a, F: Handle> {
    inner: &'a Inner<F::Classify>,
    ask: Ask,
    due_in: Option<Duration>,
    tenant: Option<&'a str>,
    told: Told,
}

impl<F: Handle> Clone for Asking<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Handle> Copy for Asking<'_, F> {}

/// A pipeline's handle: [`Fuse`] or [`BlockingFuse`].
pub trait Handle: sealed::Sealed {
    #[doc(hidden)]
    type Classify;
}

mod sealed {
    pub trait Sealed {}
}

impl<K> sealed::Sealed for Fuse<K> {}
impl<K> sealed::Sealed for BlockingFuse<K> {}

impl<K> Handle for Fuse<K> {
    type Classify = K;
}

impl<K> Handle for BlockingFuse<K> {
    type Classify = K;
}

impl<'a, F: Handle> Asking<'a, F> {
    pub(super) fn new(inner: &'a Inner<F::Classify>, ask: Ask) -> Self {
        Asking { inner, ask, due_in: None, tenant: None, told: Told::default() }
    }

    /// What it asks for, in a word or two, as the [record](crate::record) of its failing attempts shows it.
    #[must_use]
    pub fn what(mut self, what: &'static str) -> Self {
        self.told.what = Some(what);
        self
    }

    /// The trace that it belongs to, as the [record](crate::record) and exemplars of metrics show it.
    #[must_use]
    pub fn trace(mut self, trace: TraceId) -> Self {
        self.told.trace = Some(trace);
        self
    }

    /// How much it matters if there is not room for all.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.ask.priority = priority;
        self
    }

    /// It must be over `span` after it was made: what is left of its caller's own deadline. A longer one than the pipeline's changes
    /// nothing.
    #[must_use]
    pub fn due_in(mut self, span: Duration) -> Self {
        self.due_in = Some(span);
        self
    }

    /// Whose it is: a customer, a shard or any other key. Where the pipeline has [scopes](crate::FuseBuilder::scopes), each has
    /// a circuit of its own. It is also the key of quotas and places, if the call has none.
    #[must_use]
    pub fn tenant(mut self, name: &'a str) -> Self {
        self.tenant = Some(name);
        if self.ask.key == 0 {
            self.ask.key = key(name);
        }
        self
    }

    fn policies(&self) -> Telling<'a, F::Classify> {
        Telling { inner: self.inner, told: self.told }
    }

    fn prepared(&self, mut walk: Walk<Telling<'a, F::Classify>>) -> Walk<Telling<'a, F::Classify>> {
        walk.ask(self.ask);
        if let Some(span) = self.due_in {
            walk.due_by(self.inner.circuit().clock().now() + span);
        }
        if let Some(name) = self.tenant {
            walk.of_tenant(self.inner.tenant(name));
        }
        walk
    }
}

/// A pipeline, and what a call through it says of itself.
struct Telling<'a, K> {
    inner: &'a Inner<K>,
    told: Told,
}

impl<K> Policies for Telling<'_, K> {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        self.inner.pipeline()
    }

    #[inline(always)]
    fn before(&self, endpoint: usize) -> &CircuitBreaker {
        self.inner.before(endpoint)
    }

    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        Policies::service(self.inner)
    }

    fn endpoint(&self, endpoint: usize) -> Option<&str> {
        self.inner.endpoint(endpoint)
    }

    fn told(&self) -> Told {
        self.told
    }
}

#[cfg(feature = "tokio")]
impl<K> Asking<'_, Fuse<K>> {
    /// As [`Fuse::run`](Fuse::run).
    ///
    /// # Errors
    ///
    /// As [`Fuse::run`](Fuse::run).
    ///
    /// # Cancel safety
    ///
    /// As [`Fuse::run`](Fuse::run).
    pub async fn run<T, E, Fut>(&self, mut op: impl FnMut() -> Fut) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.finish(|_| op()).await.1
    }

    /// As [`Fuse::run_at`](Fuse::run_at).
    ///
    /// # Errors
    ///
    /// As [`Fuse::run`](Fuse::run).
    ///
    /// # Cancel safety
    ///
    /// As [`Fuse::run`](Fuse::run).
    pub async fn run_at<T, E, Fut>(&self, mut op: impl FnMut(&str) -> Fut) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.finish(|of| op(self.inner.name(of))).await.1
    }

    /// As [`Fuse::run_or_else`](Fuse::run_or_else).
    ///
    /// # Errors
    ///
    /// As [`Fuse::run_or_else`](Fuse::run_or_else).
    ///
    /// # Cancel safety
    ///
    /// As [`Fuse::run`](Fuse::run).
    pub async fn run_or_else<T, E, Fut>(
        &self,
        mut op: impl FnMut() -> Fut,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        let (finish, result) = self.finish(|_| op()).await;
        self.inner.answer(result, finish.fallback, fallback)
    }

    /// The call's end, and what it came to.
    pub(crate) async fn finish<T, E, Fut>(&self, op: impl FnMut(Try) -> Fut) -> (Finish, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        driver::on_tokio(self.prepared(Walk::timed(self.policies(), true)), &self.inner.classify, op).await
    }
}

impl<K> Asking<'_, BlockingFuse<K>> {
    /// As [`BlockingFuse::call`](BlockingFuse::call).
    ///
    /// # Errors
    ///
    /// As [`BlockingFuse::call`](BlockingFuse::call).
    pub fn call<T, E>(&self, mut op: impl FnMut() -> Result<T, E>) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
    {
        self.end(|_| op()).1
    }

    /// As [`BlockingFuse::call_at`](BlockingFuse::call_at).
    ///
    /// # Errors
    ///
    /// As [`BlockingFuse::call`](BlockingFuse::call).
    pub fn call_at<T, E>(&self, mut op: impl FnMut(&str) -> Result<T, E>) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
    {
        self.end(|of| op(self.inner.name(of))).1
    }

    /// As [`BlockingFuse::call_or_else`](BlockingFuse::call_or_else).
    ///
    /// # Errors
    ///
    /// As [`BlockingFuse::call_or_else`](BlockingFuse::call_or_else).
    pub fn call_or_else<T, E>(
        &self,
        mut op: impl FnMut() -> Result<T, E>,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
    {
        let (finish, result) = self.end(|_| op());
        self.inner.answer(result, finish.fallback, fallback)
    }

    /// The call's end, and what it came to.
    pub(crate) fn end<T, E>(&self, mut op: impl FnMut(Try) -> Result<T, E>) -> (Finish, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
    {
        let walk = self.prepared(Walk::blocking(self.policies(), true));
        driver::blocking(walk, &self.inner.classify, |of| Some(op(of)))
    }
}
