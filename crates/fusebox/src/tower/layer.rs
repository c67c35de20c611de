//! What is put into a `ServiceBuilder`.

use super::endpoints::EndpointsService;
use super::replay::{Always, Never};
use super::service::{CircuitBreakerService, FuseService};
use super::stand_in::{NoFallback, OrElse};
use crate::circuit::CircuitBreaker;
use crate::classify::Results;
use crate::fuse::Fuse;
use fusebox_core::pipeline::Stage;
use tower_layer::Layer;

/// Puts one circuit before a service.
///
/// `H` is how the circuit is held. A [`CircuitBreaker`] is a counted handle, cloned once for each call; a
/// `&'static CircuitBreaker` costs nothing.
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<H = CircuitBreaker, K = Results> {
    circuit: H,
    classify: K,
}

impl<H> CircuitBreakerLayer<H> {
    /// A layer over `circuit`: `Ok` is a success, `Err` a failure.
    pub fn new(circuit: H) -> Self {
        CircuitBreakerLayer { circuit, classify: Results }
    }
}

impl<H, K> CircuitBreakerLayer<H, K> {
    /// What results say about the dependency.
    pub fn classify<L>(self, classify: L) -> CircuitBreakerLayer<H, L> {
        CircuitBreakerLayer { circuit: self.circuit, classify }
    }
}

impl<S, H: Clone, K: Clone> Layer<S> for CircuitBreakerLayer<H, K> {
    type Service = CircuitBreakerService<S, H, K>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreakerService::new(inner, self.circuit.clone()).classify(self.classify.clone())
    }
}

/// Puts a whole pipeline before a service: every policy but hedge and balancer, in the fuse's order.
///
/// The services it makes need a tokio runtime with its timer enabled, once an answer is not ready at once.
#[derive(Clone, Debug)]
pub struct FuseLayer<K = Results, R = Always, F = NoFallback> {
    fuse: Fuse<K>,
    replay: R,
    fallback: F,
}

impl<K> FuseLayer<K> {
    /// A layer over `fuse`. Where that retries, every request is sent again: requests and services are `Clone`.
    ///
    /// # Panics
    ///
    /// When the fuse hedges or has endpoints: a service has one inner service, and one call of it at a time. A
    /// [`HedgeLayer`] or an [`EndpointsService`] has more.
    pub fn new(fuse: Fuse<K>) -> Self {
        can_be_served(&fuse);
        FuseLayer { fuse, replay: Always, fallback: NoFallback }
    }
}

impl<K, R, F> FuseLayer<K, R, F> {
    /// Makes every call once, whatever the fuse says of retries. Neither requests nor services need be `Clone`.
    pub fn once(self) -> FuseLayer<K, Never, F> {
        self.replay(Never)
    }

    /// Which requests may be sent again: a predicate such as `|request: &Request| request.is_idempotent()`, or any
    /// [`Replay`](super::Replay).
    pub fn replay<Q>(self, replay: Q) -> FuseLayer<K, Q, F> {
        FuseLayer { fuse: self.fuse, replay, fallback: self.fallback }
    }

    /// What answers in the place of a rejection or a failure, told the cause, as the fuse's
    /// [`fallback_on`](crate::FuseBuilder::fallback_on) says. When it panics, the call's own result stands. An answer that has to
    /// be waited for, or one of several in an order, is [`Fuse::run_chain`](crate::Fuse::run_chain)'s.
    ///
    /// ```
    /// use fusebox::{Fuse, fallback::Cause, tower::FuseLayer};
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
    /// let fuse = Fuse::builder("greeter").build().expect("it works");
    /// let guests = |_: Cause<'_, String, std::io::Error>| String::from("Hello, guest");
    /// let greeter = ServiceBuilder::new()
    ///     .layer(FuseLayer::new(fuse).fallback(guests))
    ///     .service_fn(async |_: &str| Err::<String, _>(std::io::Error::other("down")));
    /// assert_eq!(greeter.oneshot("Ann").await.expect("an answer"), "Hello, guest");
    /// # });
    /// ```
    pub fn fallback<G>(self, answer: G) -> FuseLayer<K, R, OrElse<G>> {
        FuseLayer { fuse: self.fuse, replay: self.replay, fallback: OrElse(answer) }
    }
}

impl<S, K: Clone, R: Clone, F: Clone> Layer<S> for FuseLayer<K, R, F> {
    type Service = FuseService<S, K, R, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let service = FuseService::new(inner, self.fuse.clone()).replay(self.replay.clone());
        service.standing_in(self.fallback.clone())
    }
}

/// Puts a pipeline that hedges before a service: an attempt that takes long gets another one beside it, made by a clone.
///
/// ```
/// use fusebox::{Fuse, hedge, tower::HedgeLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
/// let fuse = Fuse::builder("search").hedge(hedge::Config::default()).build().expect("it works");
/// let search = ServiceBuilder::new()
///     .layer(HedgeLayer::new(fuse))
///     .service_fn(async |words: &str| Ok::<_, std::io::Error>(words.len()));
/// assert_eq!(search.oneshot("fuse").await.expect("an answer"), 4);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct HedgeLayer<K = Results, R = Always> {
    fuse: Fuse<K>,
    replay: R,
}

impl<K> HedgeLayer<K> {
    /// A layer over `fuse`. Every request may be sent twice: requests and services are `Clone`.
    ///
    /// # Panics
    ///
    /// When the fuse has several endpoints: those are an [`EndpointsService`]'s.
    pub fn new(fuse: Fuse<K>) -> Self {
        let endpoints = fuse.circuits().count();
        assert!(endpoints == 1, "a layer has one inner service, and its pipeline {endpoints} endpoints");
        HedgeLayer { fuse, replay: Always }
    }
}

impl<K, R> HedgeLayer<K, R> {
    /// Which requests may be sent twice, and again.
    pub fn replay<Q>(self, replay: Q) -> HedgeLayer<K, Q> {
        HedgeLayer { fuse: self.fuse, replay }
    }
}

impl<S, K: Clone, R: Clone> Layer<S> for HedgeLayer<K, R> {
    type Service = EndpointsService<S, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        EndpointsService::of(vec![inner], self.fuse.clone(), self.replay.clone())
    }
}

/// Says when the service is put together, not when it is called, what it cannot do.
pub(super) fn can_be_served<K>(fuse: &Fuse<K>) {
    let cannot = |stage: &&Stage| matches!(stage, Stage::Hedge(_) | Stage::Pick(_));
    if let Some(stage) = fuse.pipeline().stages().iter().find(cannot) {
        panic!("a Tower service has one inner service: its pipeline cannot have a {}", stage.name());
    }
}
