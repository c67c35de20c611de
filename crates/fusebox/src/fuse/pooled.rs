//! Blocking calls on threads of their own.

use super::{Answer, FuseBuilder, Inner};
use crate::circuit::CircuitBreaker;
use crate::classify::{Classify, Results};
use crate::driver::{self, Walk};
use crate::error::{Error, InvalidConfig};
use crate::pool::ThreadPool;
use fusebox_core::flow::{Finish, Try};
use fusebox_core::pipeline::Pipeline;
use std::sync::Arc;

/// One dependency's pipeline for blocking code, on a [`ThreadPool`]: here a blocking call can have a timeout, a deadline
/// and a hedge, because its caller can stop waiting. The call itself goes on to its end, and keeps its thread so long. A
/// cheap handle.
///
/// ```
/// use fusebox::{Fuse, PoolConfig, ThreadPool};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ThreadPool::new("ledger", PoolConfig { threads: 4, ..PoolConfig::default() })?;
/// let ledger = Fuse::builder("ledger").timeout(Duration::from_secs(2)).build_pooled(pool)?;
/// let balance = ledger.call(|| Ok::<_, std::io::Error>(42))?;
/// assert_eq!(balance, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PooledFuse<K = Results> {
    pub(super) inner: Arc<Inner<K>>,
    pool: ThreadPool,
}

impl<K> Clone for PooledFuse<K> {
    fn clone(&self) -> Self {
        PooledFuse { inner: self.inner.clone(), pool: self.pool.clone() }
    }
}

impl<K> FuseBuilder<K> {
    /// Checks everything and makes a blocking pipeline whose calls run on `pool`'s threads.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    pub fn build_pooled(mut self, pool: ThreadPool) -> Result<PooledFuse<K>, InvalidConfig> {
        self.stages.pool = Some(pool.places().clone());
        self.inner(Vec::new()).map(|inner| PooledFuse { inner: Arc::new(inner), pool })
    }
}

impl<K> PooledFuse<K> {
    /// The circuit in the pipeline; with several endpoints, the first one's.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.inner.circuit
    }

    /// The stages, outermost first.
    pub fn pipeline(&self) -> &Pipeline {
        &self.inner.pipeline
    }

    /// The threads.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Calls `op` on a thread of the pool, as often as the policies allow, and waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`], [`Error::TimedOut`], [`Error::DeadlineExceeded`], or the last attempt's own error.
    ///
    /// # Panics
    ///
    /// A panic of `op` counts as one failure and goes on, here.
    pub fn call<T, E>(&self, op: impl Fn() -> Result<T, E> + Send + Sync + 'static) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.end(Arc::new(move |_| op())).1
    }

    /// As [`call`](Self::call), told which endpoint each attempt goes to.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_at<T, E>(
        &self,
        op: impl Fn(&str) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<T, Error<E>>
    where
        K: Classify<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let inner = self.inner.clone();
        self.end(Arc::new(move |of| op(inner.name(of)))).1
    }

    /// As [`call`](Self::call); where a fallback applies, `fallback` answers, told the cause.
    ///
    /// # Errors
    ///
    /// The call's error where no fallback applies.
    pub fn call_or_else<T, E>(
        &self,
        op: impl Fn() -> Result<T, E> + Send + Sync + 'static,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (finish, result) = self.end(Arc::new(move |_| op()));
        self.inner.answer(result, finish.fallback, fallback)
    }

    fn end<T, E>(&self, op: Arc<dyn Fn(Try) -> Result<T, E> + Send + Sync>) -> (Finish, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
        T: Send + 'static,
        E: Send + 'static,
    {
        driver::pooled(Walk::timed(&*self.inner, true), &self.pool, &self.inner.classify, op)
    }
}
