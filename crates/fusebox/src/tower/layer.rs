//! What is put into a `ServiceBuilder`.

use super::replay::{Always, Never};
use super::service::{CircuitBreakerService, FuseService};
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
/// The services it makes need a tokio runtime with its timer enabled, once an answer is not ready at once. They have no
/// fallback; a service around them that answers on an error is one.
#[derive(Clone, Debug)]
pub struct FuseLayer<K = Results, R = Always> {
    fuse: Fuse<K>,
    replay: R,
}

impl<K> FuseLayer<K> {
    /// A layer over `fuse`. Where that retries, every request is sent again: requests and services are `Clone`.
    ///
    /// # Panics
    ///
    /// When the fuse hedges or has endpoints: a service has one inner service, and one call of it at a time.
    pub fn new(fuse: Fuse<K>) -> Self {
        can_be_served(&fuse);
        FuseLayer { fuse, replay: Always }
    }
}

impl<K, R> FuseLayer<K, R> {
    /// Makes every call once, whatever the fuse says of retries. Neither requests nor services need be `Clone`.
    pub fn once(self) -> FuseLayer<K, Never> {
        self.replay(Never)
    }

    /// Which requests may be sent again: a predicate such as `|request: &Request| request.is_idempotent()`, or any
    /// [`Replay`](super::Replay).
    pub fn replay<Q>(self, replay: Q) -> FuseLayer<K, Q> {
        FuseLayer { fuse: self.fuse, replay }
    }
}

impl<S, K: Clone, R: Clone> Layer<S> for FuseLayer<K, R> {
    type Service = FuseService<S, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        FuseService::new(inner, self.fuse.clone()).replay(self.replay.clone())
    }
}

/// Says when the service is put together, not when it is called, what it cannot do.
pub(super) fn can_be_served<K>(fuse: &Fuse<K>) {
    let cannot = |stage: &&Stage| matches!(stage, Stage::Hedge(_) | Stage::Pick(_));
    if let Some(stage) = fuse.pipeline().stages().iter().find(cannot) {
        panic!("a Tower service has one inner service: its pipeline cannot have a {}", stage.name());
    }
}
