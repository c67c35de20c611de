//! The services: readiness is the inner service's, every decision is made in `call`.

use super::fuse_future::FuseFuture;
use super::future::CircuitBreakerFuture;
use super::replay::{Always, Never, Replay};
use super::stand_in::{NoFallback, OrElse, StandIn};
use crate::circuit::CircuitBreaker;
use crate::classify::{Classify, Results};
use crate::error::Error;
use crate::fuse::Fuse;
use std::borrow::Borrow;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service behind a circuit. Works on any executor.
///
/// Clones share the circuit. They do not share readiness: each has an inner service of its own.
#[derive(Clone, Debug)]
pub struct CircuitBreakerService<S, H = CircuitBreaker, K = Results> {
    inner: S,
    circuit: H,
    classify: K,
}

impl<S, H> CircuitBreakerService<S, H> {
    /// Puts `circuit` before `inner`: `Ok` is a success, `Err` a failure.
    pub fn new(inner: S, circuit: H) -> Self {
        CircuitBreakerService { inner, circuit, classify: Results }
    }
}

impl<S, H, K> CircuitBreakerService<S, H, K> {
    /// What results say about the dependency.
    pub fn classify<L>(self, classify: L) -> CircuitBreakerService<S, H, L> {
        CircuitBreakerService { inner: self.inner, circuit: self.circuit, classify }
    }

    /// The service behind the circuit.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The circuit.
    pub fn circuit(&self) -> &CircuitBreaker
    where
        H: Borrow<CircuitBreaker>,
    {
        self.circuit.borrow()
    }
}

impl<S, H, K, Request> Service<Request> for CircuitBreakerService<S, H, K>
where
    S: Service<Request>,
    H: Borrow<CircuitBreaker> + Clone,
    K: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = CircuitBreakerFuture<S::Future, H, K>;

    /// The inner service's readiness and nothing else. Its error is no call's, and counts nowhere.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Failed)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        CircuitBreakerFuture::begin(self.circuit.clone(), self.classify.clone(), || self.inner.call(request))
    }
}

/// A service behind a whole pipeline.
///
/// Clones share the circuit and the retry budget. They do not share readiness: each has an inner service of its own.
#[derive(Clone, Debug)]
pub struct FuseService<S, K = Results, R = Always, F = NoFallback> {
    inner: S,
    fuse: Fuse<K>,
    replay: R,
    fallback: F,
}

impl<S, K> FuseService<S, K> {
    /// Puts `fuse` before `inner`. Where that retries, every request is sent again.
    ///
    /// # Panics
    ///
    /// As [`FuseLayer::new`](super::FuseLayer::new).
    pub fn new(inner: S, fuse: Fuse<K>) -> Self {
        super::layer::can_be_served(&fuse);
        FuseService { inner, fuse, replay: Always, fallback: NoFallback }
    }
}

impl<S, K, R, F> FuseService<S, K, R, F> {
    /// Makes every call once, whatever the fuse says of retries.
    pub fn once(self) -> FuseService<S, K, Never, F> {
        self.replay(Never)
    }

    /// Which requests may be sent again.
    pub fn replay<Q>(self, replay: Q) -> FuseService<S, K, Q, F> {
        FuseService { inner: self.inner, fuse: self.fuse, replay, fallback: self.fallback }
    }

    /// What answers in the place of a rejection or a failure; see [`FuseLayer::fallback`](super::FuseLayer::fallback).
    pub fn fallback<G>(self, answer: G) -> FuseService<S, K, R, OrElse<G>> {
        self.standing_in(OrElse(answer))
    }

    pub(super) fn standing_in<G>(self, fallback: G) -> FuseService<S, K, R, G> {
        FuseService { inner: self.inner, fuse: self.fuse, replay: self.replay, fallback }
    }

    /// The service behind the pipeline.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The pipeline.
    pub fn fuse(&self) -> &Fuse<K> {
        &self.fuse
    }
}

impl<S, K, R, F, Request> Service<Request> for FuseService<S, K, R, F>
where
    S: Service<Request>,
    K: Classify<S::Response, S::Error> + Clone,
    R: Replay<S, Request> + Clone,
    F: StandIn<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = FuseFuture<S, Request, K, R, F>;

    /// The inner service's readiness and nothing else. Its error is no call's, and counts nowhere.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Failed)
    }

    /// The first attempt is made by the service that was made ready, not by a clone of it.
    fn call(&mut self, request: Request) -> Self::Future {
        let how = (self.replay.clone(), self.fallback.clone());
        FuseFuture::begin(&mut self.inner, request, self.fuse.clone(), how)
    }
}
