//! All of one dependency's policies together.

mod asking;
mod builder;
mod explain;
mod part;
mod pooled;
mod scopes;

pub use asking::{Asking, Handle};
pub(crate) use builder::Each;
pub use builder::FuseBuilder;
pub use part::{Part, Policy};
pub use pooled::PooledFuse;
pub use scopes::ScopesConfig;
use scopes::Wider;

use crate::circuit::{CircuitBreaker, CircuitBuilder};
use crate::classify::{Classify, Results};
use crate::driver::Policies;
use crate::error::{Error, InvalidConfig};
use crate::fallback::contained;
use fusebox_core::Ask;
use fusebox_core::balancer::Spec;
use fusebox_core::breaker::ConfigError;
use fusebox_core::fallback::{Counters, Kind, Told};
use fusebox_core::flow::Try;
use fusebox_core::outcome::Source;
use fusebox_core::pipeline::Pipeline;
use std::sync::Arc;

/// A value, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// One dependency's pipeline for async code: every policy of fusebox, in a named
/// [`Order`](fusebox_core::pipeline::Order). A cheap handle: clones share the circuits and all else that has a state.
#[derive(Debug)]
pub struct Fuse<K = Results>(pub(crate) Arc<Inner<K>>);

/// One dependency's pipeline for blocking code, on the calling thread. It has no timeout and no deadline: nothing can
/// interrupt a blocking call from outside. With a thread pool, something can: see
/// [`PooledFuse`](crate::PooledFuse).
#[derive(Debug)]
pub struct BlockingFuse<K = Results>(pub(crate) Arc<Inner<K>>);

impl<K> Clone for Fuse<K> {
    fn clone(&self) -> Self {
        Fuse(self.0.clone())
    }
}

impl<K> Clone for BlockingFuse<K> {
    fn clone(&self) -> Self {
        BlockingFuse(self.0.clone())
    }
}

#[derive(Debug)]
pub(crate) struct Inner<K> {
    circuit: CircuitBreaker,
    /// The circuits before the second endpoint and those after it.
    others: Box<[CircuitBreaker]>,
    /// The circuits of the service and of tenants, where there are scopes.
    wider: Option<Wider>,
    /// Empty where there is no balancer.
    pub(crate) endpoints: Vec<Spec>,
    /// What the circuits of endpoints that come later are made from, where each has settings of its own.
    newcomers: Option<(CircuitBuilder, Each)>,
    pub(crate) pipeline: Pipeline,
    fallbacks: Arc<Counters>,
    pub(crate) classify: K,
}

impl<K> Policies for Inner<K> {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    #[inline(always)]
    fn before(&self, endpoint: usize) -> &CircuitBreaker {
        endpoint.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.circuit)
    }

    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        self.wider.as_ref()?.service()
    }

    fn endpoint(&self, endpoint: usize) -> Option<&str> {
        self.endpoints.get(endpoint).map(|spec| &*spec.name)
    }
}

impl<K> Policies for Fuse<K> {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        self.0.pipeline()
    }

    #[inline(always)]
    fn before(&self, endpoint: usize) -> &CircuitBreaker {
        self.0.before(endpoint)
    }

    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        Policies::service(&*self.0)
    }

    fn endpoint(&self, endpoint: usize) -> Option<&str> {
        self.0.endpoint(endpoint)
    }
}

impl<K> Fuse<K> {
    #[cfg(any(feature = "tokio", feature = "tower"))]
    pub(crate) fn classifier(&self) -> &K {
        &self.0.classify
    }

    /// The counters behind [`fallbacks`](Self::fallbacks), for exporters.
    pub fn fallback_counters(&self) -> &Arc<Counters> {
        &self.0.fallbacks
    }

    /// As [`run_at`](Self::run_at), and whether a fallback answers.
    #[cfg(feature = "tokio")]
    pub(crate) async fn finish_at<T, E, Fut>(
        &self,
        mut op: impl FnMut(&str) -> Fut,
    ) -> (bool, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        let (finish, result) = self.asking(Ask::default()).finish(|of| op(self.0.name(of))).await;
        (finish.fallback, result)
    }
}

impl<K> BlockingFuse<K> {
    pub(crate) fn classifier(&self) -> &K {
        &self.0.classify
    }

    /// The counters behind [`fallbacks`](Self::fallbacks), for exporters.
    pub fn fallback_counters(&self) -> &Arc<Counters> {
        &self.0.fallbacks
    }

    /// As [`call`](Self::call), and whether a fallback answers.
    pub(crate) fn finish<T, E>(&self, mut op: impl FnMut() -> Result<T, E>) -> (bool, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
    {
        let (finish, result) = self.asking(Ask::default()).end(|_| op());
        (finish.fallback, result)
    }
}

impl<K> Inner<K> {
    fn circuits(&self) -> impl Iterator<Item = &CircuitBreaker> {
        std::iter::once(&self.circuit).chain(&self.others)
    }

    /// Where an attempt goes: the endpoint's name, or the circuit's where there is no balancer.
    pub(crate) fn name(&self, of: Try) -> &str {
        self.endpoints.get(of.endpoint).map_or(self.circuit.name(), |spec| &spec.name)
    }

    /// What a fallback makes of a result. When it panics, that is counted and the result stands.
    fn answer<T, E>(
        &self,
        result: Result<T, Error<E>>,
        falls_back: bool,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>> {
        match result {
            Ok(value) => Ok(Answer { value, source: Source::Live }),
            Err(error) if falls_back => {
                let value = contained(|| fallback(&error));
                let told = if value.is_some() { Told::Answered } else { Told::Panicked };
                self.fallbacks.told(Kind::Default, told);
                match value {
                    Some(value) => Ok(Answer { value, source: Source::Default }),
                    None => {
                        self.fallbacks.unanswered();
                        Err(error)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }
}

impl<K: Clone> Inner<K> {
    fn with_endpoints(&self, endpoints: Vec<Spec>) -> Result<Inner<K>, InvalidConfig> {
        let refuse = |found: &str, accepted: &str| {
            let (found, accepted) = (found.into(), accepted.into());
            Err(InvalidConfig(vec![ConfigError { field: "endpoints", found, accepted }]))
        };
        let Some(balancer) = self.pipeline.balancer() else {
            return refuse("a pipeline built without any", "a pipeline built with endpoints");
        };
        let mut circuits = Vec::with_capacity(endpoints.len());
        for spec in &endpoints {
            let stays = self.endpoints.iter().position(|known| known.name == spec.name);
            circuits.push(match stays {
                Some(endpoint) => self.before(endpoint).clone(),
                None => match &self.newcomers {
                    Some((builder, each)) => builder.build_at(spec, Some(each), None)?,
                    None => self.circuit.sibling(&spec.name),
                },
            });
        }
        let mut circuits = circuits.into_iter();
        let Some(circuit) = circuits.next() else { return refuse("none", "one or more") };
        let balancer = Arc::new(balancer.with_endpoints(&endpoints, circuit.clock().now()));
        Ok(Inner {
            circuit,
            others: circuits.collect(),
            wider: self.wider.clone(),
            endpoints,
            newcomers: self.newcomers.clone(),
            pipeline: self.pipeline.with_balancer(&balancer),
            fallbacks: self.fallbacks.clone(),
            classify: self.classify.clone(),
        })
    }

    /// Before the endpoints of other regions than ours, without what stands outside a choice of endpoints.
    fn elsewhere(&self) -> Option<Inner<K>> {
        let ours = self.pipeline.balancer()?.settings().config().region.clone()?;
        let far = |spec: &&Spec| spec.region.as_ref().is_some_and(|region| *region != ours);
        let far: Vec<_> = self.endpoints.iter().filter(far).cloned().collect();
        // All of them are known: nothing is made, and nothing can be wrong.
        let balancer = self.pipeline.balancer()?.part(&far, self.circuit.clock().now());
        let inner = self.with_endpoints(far).ok()?;
        let pipeline = inner.pipeline.inside(&Arc::new(balancer));
        Some(Inner { pipeline, wider: None, ..inner })
    }
}

impl Fuse {
    /// Starts with the default circuit and nothing around it.
    pub fn builder(name: impl Into<Arc<str>>) -> FuseBuilder {
        FuseBuilder::new(name.into())
    }
}

impl<K> Fuse<K> {
    /// The circuit in the pipeline; with several endpoints, the first one's.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// The circuits before the endpoints, in their order.
    pub fn circuits(&self) -> impl Iterator<Item = &CircuitBreaker> {
        self.0.circuits()
    }

    /// The stages, outermost first.
    pub fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    /// The same pipeline before other endpoints: those that stay keep their circuits and all that is known of them, those
    /// that come start afresh with the settings of the first one's circuit. Calls under way go on with the endpoints they
    /// began with.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] when there are no endpoints, or the pipeline was built without any.
    pub fn with_endpoints(&self, endpoints: impl IntoIterator<Item = Spec>) -> Result<Self, InvalidConfig>
    where
        K: Clone,
    {
        self.0.with_endpoints(endpoints.into_iter().collect()).map(|inner| Fuse(Arc::new(inner)))
    }
}

impl<K: Clone> Fuse<K> {
    /// The same endpoints as far as they are in other regions than ours, for a list of fallbacks whose call the policies
    /// outside have admitted already: with their circuits, the places and an attempt's time, and without quota, deadline and
    /// retries. `None` where no region is ours or no endpoint elsewhere. See
    /// [`Fallbacks::other_region_at`](crate::Fallbacks::other_region_at).
    pub fn elsewhere(&self) -> Option<Self> {
        self.0.elsewhere().map(|inner| Fuse(Arc::new(inner)))
    }
}

impl<K: Clone> BlockingFuse<K> {
    /// As [`Fuse::elsewhere`].
    pub fn elsewhere(&self) -> Option<Self> {
        self.0.elsewhere().map(|inner| BlockingFuse(Arc::new(inner)))
    }
}

#[cfg(feature = "tokio")]
impl<K> Fuse<K> {
    /// Makes the call that `op` begins, as often as the policies allow. Needs a tokio runtime with its timer enabled.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`], [`Error::TimedOut`], [`Error::DeadlineExceeded`], or the last attempt's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops the attempts in flight and gives everything back at once; they count as
    /// cancelled, neither success nor failure.
    ///
    /// # Panics
    ///
    /// A panic of `op` or its future counts as one failure and goes on.
    pub async fn run<T, E, Fut>(&self, op: impl FnMut() -> Fut) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.asking(Ask::default()).run(op).await
    }

    /// As [`run`](Self::run), told which endpoint each attempt goes to.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_at<T, E, Fut>(&self, op: impl FnMut(&str) -> Fut) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.asking(Ask::default()).run_at(op).await
    }

    /// As [`run`](Self::run); where a fallback applies, `fallback` answers, told the cause.
    ///
    /// # Errors
    ///
    /// The call's error where no fallback applies: with
    /// [`FallbackOn::Rejected`](fusebox_core::pipeline::FallbackOn::Rejected) that is every failure.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_or_else<T, E, Fut>(
        &self,
        op: impl FnMut() -> Fut,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.asking(Ask::default()).run_or_else(op, fallback).await
    }

    /// A call that says something of itself: its priority, on whose behalf it is, its size, or when it must be over.
    pub fn asking(&self, ask: Ask) -> Asking<'_, Self> {
        Asking::new(&self.0, ask)
    }
}

impl<K> BlockingFuse<K> {
    /// The circuit in the pipeline; with several endpoints, the first one's.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// The circuits before the endpoints, in their order.
    pub fn circuits(&self) -> impl Iterator<Item = &CircuitBreaker> {
        self.0.circuits()
    }

    /// The stages, outermost first.
    pub fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    /// As [`Fuse::with_endpoints`].
    ///
    /// # Errors
    ///
    /// As [`Fuse::with_endpoints`].
    pub fn with_endpoints(&self, endpoints: impl IntoIterator<Item = Spec>) -> Result<Self, InvalidConfig>
    where
        K: Clone,
    {
        self.0.with_endpoints(endpoints.into_iter().collect()).map(|inner| BlockingFuse(Arc::new(inner)))
    }

    /// Calls `op`, as often as the policies allow; sleeps through backoff and waits in queues.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`], or the last attempt's own error.
    ///
    /// # Panics
    ///
    /// A panic of `op` counts as one failure and goes on.
    pub fn call<T, E>(&self, op: impl FnMut() -> Result<T, E>) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
    {
        self.asking(Ask::default()).call(op)
    }

    /// As [`call`](Self::call), told which endpoint each attempt goes to.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_at<T, E>(&self, op: impl FnMut(&str) -> Result<T, E>) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
    {
        self.asking(Ask::default()).call_at(op)
    }

    /// As [`call`](Self::call); where a fallback applies, `fallback` answers, told the cause.
    ///
    /// # Errors
    ///
    /// The call's error where no fallback applies.
    pub fn call_or_else<T, E>(
        &self,
        op: impl FnMut() -> Result<T, E>,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
    {
        self.asking(Ask::default()).call_or_else(op, fallback)
    }

    /// A call that says something of itself: its priority, on whose behalf it is, or its size.
    pub fn asking(&self, ask: Ask) -> Asking<'_, Self> {
        Asking::new(&self.0, ask)
    }
}
