//! How a pipeline is put together.

#[cfg(feature = "tokio")]
use super::Fuse;
use super::part::{Part, Policy};
use super::scopes::{ScopesConfig, Wider};
use super::{BlockingFuse, Inner};
use crate::circuit::{CircuitBreaker, CircuitBuilder};
use crate::classify::Results;
use crate::clock::Clock;
use crate::error::InvalidConfig;
use fusebox_core::balancer::{self, Balancer, Spec};
use fusebox_core::breaker::{Config, ConfigError, Preset};
use fusebox_core::bulkhead::Bulkhead;
use fusebox_core::hedge::Hedge;
use fusebox_core::limiter::RateLimiter;
use fusebox_core::pipeline::{self, FallbackOn, Order, Pipeline};
use fusebox_core::retry;
use fusebox_core::throttle::Throttle;
use fusebox_core::timeout::Timeout;
use std::sync::Arc;
use std::time::Duration;

/// Makes a [`Fuse`](super::Fuse) or a [`BlockingFuse`].
#[derive(Clone, Debug)]
pub struct FuseBuilder<K = Results> {
    pub(super) circuit: CircuitBuilder,
    pub(super) given: Option<CircuitBreaker>,
    pub(super) stages: pipeline::Config,
    pub(super) retry: Option<retry::Config>,
    pub(super) parts: Parts,
    pub(super) endpoints: Vec<Spec>,
    pub(super) each: Option<Each>,
    pub(super) scopes: Option<ScopesConfig>,
    pub(super) classify: K,
}

/// The policies with a state of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    rate_limiter: Option<Part<RateLimiter>>,
    throttle: Option<Part<Throttle>>,
    bulkhead: Option<Part<Bulkhead>>,
    hedge: Option<Part<Hedge>>,
    timeout: Option<Part<Timeout>>,
    balancer: Option<balancer::Config>,
}

impl FuseBuilder {
    pub(super) fn new(name: Arc<str>) -> Self {
        FuseBuilder {
            circuit: CircuitBreaker::builder(name),
            given: None,
            stages: pipeline::Config::default(),
            retry: None,
            parts: Parts::default(),
            endpoints: Vec::new(),
            each: None,
            scopes: None,
            classify: Results,
        }
    }
}

impl<K> FuseBuilder<K> {
    /// One attempt's time. Makes an attempt that takes longer a failure; the slow threshold and the probe lease follow
    /// from it where they are not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.stages.timeout = Some(timeout);
        self.circuit = self.circuit.call_timeout(timeout);
        self
    }

    /// One attempt's time, worked out from the latest attempts. Takes the place of [`timeout`](Self::timeout), which still
    /// says what the slow threshold and the probe lease follow from.
    pub fn adaptive_timeout(mut self, timeout: impl Into<Part<Timeout>>) -> Self {
        self.parts.timeout = Some(timeout.into());
        self
    }

    /// The whole call's time, attempts and waits together.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.stages.deadline = Some(deadline);
        self
    }

    /// Further attempts. `op` must be safe to call again.
    pub fn retry(mut self, retry: retry::Config) -> Self {
        self.retry = Some(retry);
        self
    }

    /// A second attempt beside a slow one. `op` must be safe to call again.
    pub fn hedge(mut self, hedge: impl Into<Part<Hedge>>) -> Self {
        self.parts.hedge = Some(hedge.into());
        self
    }

    /// How many calls may be under way at once.
    pub fn bulkhead(mut self, bulkhead: impl Into<Part<Bulkhead>>) -> Self {
        self.parts.bulkhead = Some(bulkhead.into());
        self
    }

    /// How many calls may begin in a time.
    pub fn rate_limiter(mut self, limiter: impl Into<Part<RateLimiter>>) -> Self {
        self.parts.rate_limiter = Some(limiter.into());
        self
    }

    /// Sends less to a dependency that refuses much.
    pub fn throttle(mut self, throttle: impl Into<Part<Throttle>>) -> Self {
        self.parts.throttle = Some(throttle.into());
        self
    }

    /// The endpoints that calls are balanced over, each with a circuit of its own, named `name/endpoint`. Call with
    /// [`run_at`](super::Fuse::run_at), which says which.
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Spec>) -> Self {
        self.endpoints = endpoints.into_iter().collect();
        self
    }

    /// Changes the circuit's settings for each endpoint by where it is; those that come later with
    /// [`with_endpoints`](super::Fuse::with_endpoints) too.
    ///
    /// ```
    /// use fusebox::{Fuse, balancer::{self, Spec}, breaker::Setting};
    /// use std::time::Duration;
    ///
    /// let at = |name: &str, region: &str| Spec { region: Some(region.into()), ..Spec::named(name) };
    /// let orders = Fuse::builder("orders")
    ///     .endpoints([at("a", "eu"), at("b", "us")])
    ///     .balancer(balancer::Config { region: Some("eu".into()), ..balancer::Config::default() })
    ///     .breaker_at(|endpoint, circuit| {
    ///         let ours = endpoint.region.as_deref() == Some("eu");
    ///         circuit.slow_call_duration = Setting::Is(Duration::from_secs(if ours { 5 } else { 15 }));
    ///     })
    ///     .build_blocking()?;
    /// # assert_eq!(orders.circuits().count(), 2);
    /// # Ok::<(), fusebox::InvalidConfig>(())
    /// ```
    pub fn breaker_at(mut self, change: impl Fn(&Spec, &mut Config) + Send + Sync + 'static) -> Self {
        self.each = Some(Each(Arc::new(change)));
        self
    }

    /// How an endpoint is chosen. Default: in turn.
    pub fn balancer(mut self, balancer: balancer::Config) -> Self {
        self.parts.balancer = Some(balancer);
        self
    }

    /// The order of the stages. Default: [`Order::Seed`].
    pub fn order(mut self, order: Order) -> Self {
        self.stages.order = order;
        self
    }

    /// When a fallback answers. Default: on rejections and on failures.
    pub fn fallback_on(mut self, on: FallbackOn) -> Self {
        self.stages.fallback = Some(on);
        self
    }

    /// A circuit that exists, for instance one of a [`Registry`](crate::Registry), which tells its events and shows it
    /// to operators. Its settings, clock and jitter are its own; those said here are not used.
    pub fn circuit(mut self, circuit: CircuitBreaker) -> Self {
        self.given = Some(circuit);
        self
    }

    /// No circuit: the other policies alone. What is refused carries the pipeline's name all the same; the handle that
    /// [`Fuse::circuit`](super::Fuse::circuit) answers is the one whose clock is used, and no call asks it.
    pub fn without_breaker(mut self) -> Self {
        self.stages.without_breaker = true;
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
        let FuseBuilder { circuit, given, stages, retry, parts, endpoints, each, scopes, classify: _ } = self;
        FuseBuilder { circuit, given, stages, retry, parts, endpoints, each, scopes, classify }
    }

    /// Checks everything and makes the async pipeline.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    #[cfg(feature = "tokio")]
    pub fn build(self) -> Result<Fuse<K>, InvalidConfig> {
        self.inner(Vec::new()).map(|inner| Fuse(Arc::new(inner)))
    }

    /// Checks everything and makes the blocking pipeline, whose calls run on the calling thread.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work; a timeout, a deadline or a hedge is one, since nothing can
    /// interrupt a blocking call, or make a second one, on the calling thread. With a thread pool,
    /// [`build_pooled`](Self::build_pooled), they work.
    pub fn build_blocking(self) -> Result<BlockingFuse<K>, InvalidConfig> {
        let mut wrong = Vec::new();
        for (field, span) in [("timeout", self.stages.timeout), ("deadline", self.stages.deadline)] {
            if let Some(span) = span {
                let accepted =
                    "none without a thread pool, since nothing can interrupt a blocking call,".into();
                wrong.push(ConfigError { field, found: format!("{span:?}"), accepted });
            }
        }
        let adaptive = ("adaptive_timeout", self.parts.timeout.is_some());
        for (field, there) in [adaptive, ("hedge", self.parts.hedge.is_some())] {
            if there {
                let accepted = "none without a thread pool, since a blocking call has one thread,".into();
                wrong.push(ConfigError { field, found: "one".into(), accepted });
            }
        }
        self.inner(wrong).map(|inner| BlockingFuse(Arc::new(inner)))
    }

    pub(super) fn inner(mut self, mut wrong: Vec<ConfigError>) -> Result<Inner<K>, InvalidConfig> {
        for (field, span) in [("timeout", self.stages.timeout), ("deadline", self.stages.deadline)] {
            if span == Some(Duration::ZERO) {
                wrong.push(ConfigError { field, found: "0s".into(), accepted: "longer than nothing".into() });
            }
        }
        match self.retry.map(retry::Config::check).transpose() {
            Ok(retry) => self.stages.retry = retry,
            Err(errors) => wrong.extend(errors),
        }
        if self.stages.without_breaker
            && (self.given.is_some() || self.each.is_some() || !self.circuit.is_default())
        {
            let (found, accepted) = ("settings or a circuit", "none beside without_breaker");
            wrong.push(ConfigError { field: "breaker", found: found.into(), accepted: accepted.into() });
        }
        self.stages.fallback.get_or_insert_default();
        let circuits = match self.given {
            Some(circuit) => Ok(vec![circuit]),
            None if self.endpoints.is_empty() => self.circuit.clone().build().map(|circuit| vec![circuit]),
            None => self.circuit.clone().build_each(&self.endpoints, self.each.as_ref()),
        };
        let mut circuits = match circuits {
            Ok(circuits) => circuits.into_iter(),
            Err(InvalidConfig(errors)) => {
                return Err(InvalidConfig(wrong.into_iter().chain(errors).collect()));
            }
        };
        let Some(circuit) = circuits.next() else { return Err(InvalidConfig(wrong)) };
        let now = circuit.clock().now();
        let (stages, parts) = (&mut self.stages, self.parts);
        put(parts.rate_limiter, &mut stages.rate_limiter, now, &mut wrong);
        put(parts.throttle, &mut stages.throttle, now, &mut wrong);
        put(parts.bulkhead, &mut stages.bulkhead, now, &mut wrong);
        put(parts.hedge, &mut stages.hedge, now, &mut wrong);
        put(parts.timeout, &mut stages.adaptive_timeout, now, &mut wrong);
        match parts.balancer.unwrap_or_default().check() {
            Ok(settings) if !self.endpoints.is_empty() => {
                stages.balancer = Some(Arc::new(Balancer::new(settings, &self.endpoints, now)));
            }
            Ok(_) => {}
            Err(errors) => wrong.extend(errors),
        }
        if self.scopes.is_some() && stages.without_breaker {
            let accepted = "none beside without_breaker, since scopes are circuits,".into();
            wrong.push(ConfigError { field: "scopes", found: "some".into(), accepted });
        }
        let wider =
            self.scopes.map(|scopes| Wider::new(scopes, self.endpoints.len(), &circuit, stages.timeout));
        let wider = match wider.transpose() {
            Ok(Some((scopes, wider))) => {
                stages.scopes = Some(Arc::new(scopes));
                Some(wider)
            }
            Ok(None) => None,
            Err(errors) => {
                wrong.extend(errors);
                None
            }
        };
        if !wrong.is_empty() {
            return Err(InvalidConfig(wrong));
        }
        Ok(Inner {
            wider,
            circuit,
            others: circuits.collect(),
            endpoints: self.endpoints,
            newcomers: self.each.map(|each| (self.circuit, each)),
            pipeline: Pipeline::new(self.stages),
            fallbacks: Arc::default(),
            classify: self.classify,
        })
    }
}

/// What each endpoint's circuit has of its own.
#[derive(Clone)]
pub(crate) struct Each(Change);

type Change = Arc<dyn Fn(&Spec, &mut Config) + Send + Sync>;

impl Each {
    pub(crate) fn change(&self, spec: &Spec, config: &mut Config) {
        (self.0)(spec, config);
    }
}

impl std::fmt::Debug for Each {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Each")
    }
}

fn put<P: Policy>(
    part: Option<Part<P>>,
    stage: &mut Option<Arc<P>>,
    now: fusebox_core::Time,
    wrong: &mut Vec<ConfigError>,
) {
    match part.map(|part| part.make(now)).transpose() {
        Ok(made) => *stage = made,
        Err(errors) => wrong.extend(errors),
    }
}
