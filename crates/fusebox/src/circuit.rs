//! A circuit breaker with a name and a clock.

use crate::classify::{Classify, Results};
use crate::clock::Clock;
use crate::driver::{self, Policies, Walk};
use crate::error::{Error, InvalidConfig, Rejected};
use crate::fuse::Each;
use crate::permit::Permit;
use crate::record::Slot;
use fusebox_core::balancer::Spec;
use fusebox_core::breaker::{self, Config, Preset, Settings, Snapshot, State};
use fusebox_core::event::Event;
use fusebox_core::pipeline::Pipeline;
use fusebox_core::registry::Entry;
use fusebox_core::{Reason, Rejection, Rng, SharedRng, Time};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

/// One dependency's circuit breaker. A cheap handle: clones share the circuit.
///
/// Three ways to call through it: [`call`](Self::call) for blocking functions, [`run`](Self::run) for futures on any
/// executor, and [`admit`](Self::admit) for a permit to settle by hand. For timeouts, retries and fallbacks around it,
/// see [`Fuse`](crate::Fuse).
#[derive(Clone, Debug)]
pub struct CircuitBreaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    core: breaker::CircuitBreaker,
    name: Arc<str>,
    service: Arc<str>,
    clock: Clock,
    rng: SharedRng,
    pipeline: Pipeline,
    slot: Slot,
}

impl CircuitBreaker {
    /// A circuit breaker with the default configuration.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        match Self::builder(name).build() {
            Ok(breaker) => breaker,
            // The default configuration passes its own check; a core test pins that.
            Err(invalid) => unreachable!("the default configuration is valid: {invalid}"),
        }
    }

    /// Starts with the default configuration.
    pub fn builder(name: impl Into<Arc<str>>) -> CircuitBuilder {
        CircuitBuilder {
            name: name.into(),
            service: None,
            config: Config::default(),
            call_timeout: None,
            clock: Clock::default(),
            seed: None,
        }
    }

    pub(crate) fn assemble(
        (name, service): (Arc<str>, Arc<str>),
        settings: Arc<Settings>,
        clock: Clock,
        mut rng: Rng,
        slot: Slot,
    ) -> Self {
        let core = breaker::CircuitBreaker::new(settings, rng.fork(), clock.now());
        let (rng, pipeline) = (SharedRng::new(rng), Pipeline::breaker_only());
        CircuitBreaker(Arc::new(Shared { core, name, service, clock, rng, pipeline, slot }))
    }

    /// A circuit like this one before another endpoint of the same service.
    pub(crate) fn sibling(&self, endpoint: &str) -> Self {
        let service = self.service().clone();
        let name = format!("{service}/{endpoint}").into();
        self.like((name, service), self.core().settings())
    }

    /// The circuit of the whole service, on settings of its own.
    pub(crate) fn wider(&self, settings: Arc<Settings>) -> Self {
        let service = self.service().clone();
        self.like((service.clone(), service), settings)
    }

    /// On the same clock, with dice from the same place, and recorded if this one is.
    fn like(&self, names: (Arc<str>, Arc<str>), settings: Arc<Settings>) -> Self {
        let slot = Slot::switched(self.is_recording());
        Self::assemble(names, settings, self.0.clock.clone(), self.0.rng.fork(), slot)
    }

    /// The circuit's name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The service it protects, as metrics label it. The circuit's name, unless it was said.
    pub fn service(&self) -> &Arc<str> {
        &self.0.service
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The policy itself, which takes the time as an argument.
    #[inline]
    pub fn core(&self) -> &breaker::CircuitBreaker {
        &self.0.core
    }

    pub(crate) fn rng(&self) -> &SharedRng {
        &self.0.rng
    }

    #[inline(always)]
    pub(crate) fn slot(&self) -> &Slot {
        &self.0.slot
    }

    /// Asks to make a call.
    ///
    /// # Errors
    ///
    /// [`Rejected`] when the circuit is open, half-open with all its probes in flight, or held open.
    pub fn admit(&self) -> Result<Permit, Rejected> {
        match self.core().admit_watched(self.0.clock.now()) {
            Ok(ticket) => Ok(Permit::new(self.clone(), ticket)),
            Err(rejection) => Err(self.rejected(rejection)),
        }
    }

    /// Calls `f` if the circuit lets it. `Ok` is a success, `Err` a failure; a panic is a failure and goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] without having called `f`, or [`Error::Failed`] with `f`'s own error.
    pub fn call<T, E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, Error<E>> {
        self.call_with(Results, f)
    }

    /// As [`call`](Self::call), with a classifier of your own.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_with<T, E>(
        &self,
        classify: impl Classify<T, E>,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Error<E>> {
        let mut f = Some(f);
        driver::blocking(self.walk(), &classify, |_| f.take().map(|f| f())).1
    }

    /// Runs `future` if the circuit lets it. Needs no particular executor.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call). The future is not polled at all when the circuit refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future` and counts as cancelled: neither success nor failure, and a probe's
    /// slot is free at once.
    pub async fn run<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, Error<E>> {
        self.run_with(Results, future).await
    }

    /// As [`run`](Self::run), with a classifier of your own.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_with<T, E>(
        &self,
        classify: impl Classify<T, E>,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error<E>> {
        driver::without_timer(Walk::without_timer(self), &classify, future).await
    }

    fn walk(&self) -> Walk<&Self> {
        Walk::blocking(self, false)
    }

    /// The state that callers experience now.
    pub fn state(&self) -> State {
        self.core().state(self.0.clock.now())
    }

    /// The circuit as it stands now.
    pub fn snapshot(&self) -> Snapshot {
        self.core().snapshot(self.0.clock.now())
    }

    /// Calls `listener` with the name and every event of this circuit: in order, outside every lock; a panic in it ends
    /// there. One that falls 32 events behind loses the oldest.
    ///
    /// What time alone brings about, such as the end of a wait, is told at the next call or look. A
    /// [`Registry`](crate::Registry) tells it on time.
    pub fn on_event(&self, listener: impl Fn(&str, &Event) + Send + Sync + 'static) {
        let name = self.0.name.clone();
        self.core().subscribe(Arc::new(move |event| listener(&name, event)));
    }

    /// Puts names and numbers to a core rejection.
    pub fn rejected(&self, rejection: Rejection) -> Rejected {
        let trip = match rejection.reason {
            Reason::ForcedOpen => None,
            _ => self.core().last_trip().map(Box::new),
        };
        let retry_at = rejection.retry_at;
        let retry_after = (retry_at != Time::NEVER).then(|| retry_at.since(self.0.clock.now()));
        Rejected { circuit: self.0.name.clone(), reason: rejection.reason, retry_after, retry_at, trip }
    }
}

impl Policies for CircuitBreaker {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    #[inline(always)]
    fn before(&self, _: usize) -> &CircuitBreaker {
        self
    }
}

impl Entry for CircuitBreaker {
    fn circuit(&self) -> &breaker::CircuitBreaker {
        self.core()
    }

    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Makes a [`CircuitBreaker`].
#[derive(Clone, Debug)]
pub struct CircuitBuilder {
    name: Arc<str>,
    service: Option<Arc<str>>,
    config: Config,
    call_timeout: Option<Duration>,
    clock: Clock,
    seed: Option<u64>,
}

impl CircuitBuilder {
    /// The service it protects, as metrics label it.
    pub fn service(self, service: impl Into<Arc<str>>) -> Self {
        CircuitBuilder { service: Some(service.into()), ..self }
    }

    /// Every setting at once.
    pub fn config(self, config: Config) -> Self {
        CircuitBuilder { config, ..self }
    }

    /// A named starting point.
    pub fn preset(self, preset: Preset) -> Self {
        self.config(preset.config())
    }

    /// Changes some settings.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The timeout of one call, from which the slow threshold and the probe lease follow where they are not set.
    pub fn call_timeout(self, timeout: Duration) -> Self {
        CircuitBuilder { call_timeout: Some(timeout), ..self }
    }

    /// Where time comes from. Default: [`Clock::system`].
    pub fn clock(self, clock: Clock) -> Self {
        CircuitBuilder { clock, ..self }
    }

    /// Where jitter comes from. Default: the operating system's randomness and the name.
    pub fn seed(self, seed: u64) -> Self {
        CircuitBuilder { seed: Some(seed), ..self }
    }

    /// Checks the settings and makes the breaker.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    pub fn build(self) -> Result<CircuitBreaker, InvalidConfig> {
        let settings = self.config.check(self.call_timeout)?;
        let rng = Rng::seeded(self.seed.unwrap_or_else(|| drawn_seed(&self.name)));
        Ok(CircuitBreaker::assemble(
            (self.name.clone(), self.service.unwrap_or(self.name)),
            settings.into(),
            self.clock,
            rng,
            Slot::default(),
        ))
    }
}

impl CircuitBuilder {
    /// Whether nothing has been said of how it judges.
    pub(crate) fn is_default(&self) -> bool {
        self.config == Config::default()
    }

    /// A circuit for each endpoint, named `name/endpoint`.
    pub(crate) fn build_each(
        self,
        endpoints: &[Spec],
        each: Option<&Each>,
    ) -> Result<Vec<CircuitBreaker>, InvalidConfig> {
        let mut root = Rng::seeded(self.seed.unwrap_or_else(|| drawn_seed(&self.name)));
        endpoints.iter().map(|spec| self.build_at(spec, each, Some(root.up_to(u64::MAX)))).collect()
    }

    /// The circuit of one endpoint.
    pub(crate) fn build_at(
        &self,
        spec: &Spec,
        each: Option<&Each>,
        seed: Option<u64>,
    ) -> Result<CircuitBreaker, InvalidConfig> {
        let name = format!("{}/{}", self.name, spec.name).into();
        let service = self.service.clone().or_else(|| Some(self.name.clone()));
        let mut one = CircuitBuilder { name, service, seed, ..self.clone() };
        if let Some(each) = each {
            each.change(spec, &mut one.config);
        }
        one.build()
    }
}

/// A seed that differs between processes and names.
pub(crate) fn drawn_seed(name: impl Hash) -> u64 {
    RandomState::new().hash_one(name)
}
