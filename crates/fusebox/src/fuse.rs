//! All of one dependency's policies together.

use crate::circuit::{CircuitBreaker, CircuitBuilder};
use crate::classify::{Classify, Results};
use crate::clock::Clock;
use crate::driver::{self, Policies, Walk};
use crate::error::{Error, InvalidConfig};
use fusebox_core::breaker::{Config, ConfigError, Preset};
use fusebox_core::fallback::{Counters, Kind, Told};
#[cfg(feature = "tokio")]
use fusebox_core::flow::Try;
use fusebox_core::outcome::Source;
use fusebox_core::pipeline::{self, FallbackOn, Order, Pipeline};
use fusebox_core::retry;
use std::sync::Arc;
use std::time::Duration;

/// A value, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// One dependency's pipeline for async code: deadline, breaker, retry, timeout and fallback, in a named
/// [`Order`]. A cheap handle: clones share the circuit and the retry budget.
#[derive(Clone, Debug)]
pub struct Fuse<K = Results>(Inner<K>);

/// One dependency's pipeline for blocking code. It has no timeout and no deadline: nothing can interrupt a blocking
/// call from outside.
#[derive(Clone, Debug)]
pub struct BlockingFuse<K = Results>(Inner<K>);

#[derive(Clone, Debug)]
struct Inner<K> {
    circuit: CircuitBreaker,
    pipeline: Arc<Pipeline>,
    fallbacks: Arc<Counters>,
    classify: K,
}

impl<K> Policies for Inner<K> {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    #[inline(always)]
    fn circuit(&self) -> &CircuitBreaker {
        &self.circuit
    }
}

#[cfg(feature = "tower")]
impl<K> Policies for Fuse<K> {
    fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }
}

impl<K> Fuse<K> {
    #[cfg(any(feature = "tokio", feature = "tower"))]
    pub(crate) fn classifier(&self) -> &K {
        &self.0.classify
    }

    pub(crate) fn fallback_counters(&self) -> &Counters {
        &self.0.fallbacks
    }

    /// As [`run`](Self::run), and whether a fallback answers.
    #[cfg(feature = "tokio")]
    pub(crate) async fn finish<T, E, Fut>(&self, mut op: impl FnMut() -> Fut) -> (bool, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        let (finish, result) = driver::on_tokio(self.walk(), &self.0.classify, |_: Try| op()).await;
        (finish.fallback, result)
    }
}

impl<K> BlockingFuse<K> {
    pub(crate) fn classifier(&self) -> &K {
        &self.0.classify
    }

    pub(crate) fn fallback_counters(&self) -> &Counters {
        &self.0.fallbacks
    }

    /// As [`call`](Self::call), and whether a fallback answers.
    pub(crate) fn finish<T, E>(&self, mut op: impl FnMut() -> Result<T, E>) -> (bool, Result<T, Error<E>>)
    where
        K: Classify<T, E>,
    {
        let (finish, result) = driver::blocking(self.walk(), &self.0.classify, |_| Some(op()));
        (finish.fallback, result)
    }
}

impl<K> Inner<K> {
    /// What a fallback makes of a result.
    fn answer<T, E>(
        &self,
        result: Result<T, Error<E>>,
        falls_back: bool,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>> {
        match result {
            Ok(value) => Ok(Answer { value, source: Source::Live }),
            Err(error) if falls_back => {
                let value = fallback(&error);
                self.fallbacks.told(Kind::Default, Told::Answered);
                Ok(Answer { value, source: Source::Default })
            }
            Err(error) => Err(error),
        }
    }
}

impl Fuse {
    /// Starts with the default circuit and nothing around it.
    pub fn builder(name: impl Into<Arc<str>>) -> FuseBuilder {
        FuseBuilder {
            circuit: CircuitBreaker::builder(name),
            given: None,
            pipeline: pipeline::Config::default(),
            retry: None,
            classify: Results,
        }
    }
}

impl<K> Fuse<K> {
    /// The circuit in the pipeline.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// The stages, outermost first.
    pub fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
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
    /// Dropping the returned future drops the attempt in flight and gives everything back at once; it counts as
    /// cancelled, neither success nor failure.
    ///
    /// # Panics
    ///
    /// A panic of `op` or its future counts as one failure and goes on.
    pub async fn run<T, E, Fut>(&self, mut op: impl FnMut() -> Fut) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        driver::on_tokio(self.walk(), &self.0.classify, |_: Try| op()).await.1
    }

    /// As [`run`](Self::run); where a fallback applies, `fallback` answers, told the cause.
    ///
    /// # Errors
    ///
    /// The call's error where no fallback applies: with [`FallbackOn::Rejected`] that is every failure.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_or_else<T, E, Fut>(
        &self,
        mut op: impl FnMut() -> Fut,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
        Fut: Future<Output = Result<T, E>>,
    {
        let (finish, result) = driver::on_tokio(self.walk(), &self.0.classify, |_: Try| op()).await;
        self.0.answer(result, finish.fallback, fallback)
    }

    fn walk(&self) -> Walk<&Inner<K>> {
        Walk::timed(&self.0, true)
    }
}

impl<K> BlockingFuse<K> {
    /// The circuit in the pipeline.
    pub fn circuit(&self) -> &CircuitBreaker {
        &self.0.circuit
    }

    /// Calls `op`, as often as the policies allow; sleeps through backoff.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`], or the last attempt's own error.
    ///
    /// # Panics
    ///
    /// A panic of `op` counts as one failure and goes on.
    pub fn call<T, E>(&self, mut op: impl FnMut() -> Result<T, E>) -> Result<T, Error<E>>
    where
        K: Classify<T, E>,
    {
        driver::blocking(self.walk(), &self.0.classify, |_| Some(op())).1
    }

    /// As [`call`](Self::call); where a fallback applies, `fallback` answers, told the cause.
    ///
    /// # Errors
    ///
    /// The call's error where no fallback applies.
    pub fn call_or_else<T, E>(
        &self,
        mut op: impl FnMut() -> Result<T, E>,
        fallback: impl FnOnce(&Error<E>) -> T,
    ) -> Result<Answer<T>, Error<E>>
    where
        K: Classify<T, E>,
    {
        let (finish, result) = driver::blocking(self.walk(), &self.0.classify, |_| Some(op()));
        self.0.answer(result, finish.fallback, fallback)
    }

    fn walk(&self) -> Walk<&Inner<K>> {
        Walk::blocking(&self.0, true)
    }
}

/// Makes a [`Fuse`] or a [`BlockingFuse`].
#[derive(Clone, Debug)]
pub struct FuseBuilder<K = Results> {
    circuit: CircuitBuilder,
    given: Option<CircuitBreaker>,
    pipeline: pipeline::Config,
    retry: Option<retry::Config>,
    classify: K,
}

impl<K> FuseBuilder<K> {
    /// One attempt's time. Makes an attempt that takes longer a failure; the slow threshold and the probe lease follow
    /// from it where they are not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.pipeline.timeout = Some(timeout);
        self.circuit = self.circuit.call_timeout(timeout);
        self
    }

    /// The whole call's time, attempts and waits together.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.pipeline.deadline = Some(deadline);
        self
    }

    /// Further attempts. `op` must be safe to call again.
    pub fn retry(mut self, retry: retry::Config) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The order of the stages. Default: [`Order::Seed`].
    pub fn order(mut self, order: Order) -> Self {
        self.pipeline.order = order;
        self
    }

    /// When a fallback answers. Default: on rejections and on failures.
    pub fn fallback_on(mut self, on: FallbackOn) -> Self {
        self.pipeline.fallback = Some(on);
        self
    }

    /// A circuit that exists, for instance one of a [`Registry`](crate::Registry), which tells its events and shows it
    /// to operators. Its settings, clock and jitter are its own; those said here are not used.
    pub fn circuit(mut self, circuit: CircuitBreaker) -> Self {
        self.given = Some(circuit);
        self
    }

    /// Every setting of the circuit at once.
    pub fn breaker(mut self, config: Config) -> Self {
        self.circuit = self.circuit.config(config);
        self
    }

    /// A named starting point for the circuit.
    pub fn preset(mut self, preset: Preset) -> Self {
        self.circuit = self.circuit.preset(preset);
        self
    }

    /// Where time comes from. In tests with paused time, [`Clock::tokio`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.circuit = self.circuit.clock(clock);
        self
    }

    /// Where jitter comes from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.circuit = self.circuit.seed(seed);
        self
    }

    /// What results say about the dependency. Default: `Ok` is a success, `Err` a failure.
    pub fn classify<L>(self, classify: L) -> FuseBuilder<L> {
        FuseBuilder {
            circuit: self.circuit,
            given: self.given,
            pipeline: self.pipeline,
            retry: self.retry,
            classify,
        }
    }

    /// Checks everything and makes the async pipeline.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    #[cfg(feature = "tokio")]
    pub fn build(self) -> Result<Fuse<K>, InvalidConfig> {
        self.inner().map(Fuse)
    }

    /// Checks everything and makes the blocking pipeline.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work; a timeout or a deadline is one, since nothing can
    /// interrupt a blocking call.
    pub fn build_blocking(self) -> Result<BlockingFuse<K>, InvalidConfig> {
        let mut wrong = Vec::new();
        for (field, span) in [("timeout", self.pipeline.timeout), ("deadline", self.pipeline.deadline)] {
            if let Some(span) = span {
                let accepted = "none, since nothing can interrupt a blocking call,".into();
                wrong.push(ConfigError { field, found: format!("{span:?}"), accepted });
            }
        }
        if wrong.is_empty() { self.inner().map(BlockingFuse) } else { Err(InvalidConfig(wrong)) }
    }

    fn inner(mut self) -> Result<Inner<K>, InvalidConfig> {
        let mut wrong = Vec::new();
        for (field, span) in [("timeout", self.pipeline.timeout), ("deadline", self.pipeline.deadline)] {
            if span == Some(Duration::ZERO) {
                wrong.push(ConfigError { field, found: "0s".into(), accepted: "longer than nothing".into() });
            }
        }
        match self.retry.map(retry::Config::check).transpose() {
            Ok(retry) => self.pipeline.retry = retry,
            Err(errors) => wrong.extend(errors),
        }
        self.pipeline.fallback.get_or_insert_default();
        match self.given.map_or_else(|| self.circuit.build(), Ok) {
            Ok(circuit) if wrong.is_empty() => Ok(Inner {
                circuit,
                pipeline: Arc::new(Pipeline::new(self.pipeline)),
                fallbacks: Arc::default(),
                classify: self.classify,
            }),
            Ok(_) => Err(InvalidConfig(wrong)),
            Err(InvalidConfig(errors)) => Err(InvalidConfig(wrong.into_iter().chain(errors).collect())),
        }
    }
}
