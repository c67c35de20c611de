//! A pipeline before several services, or with two calls of one at a time.

use super::replay::{Always, Never, Replay};
use crate::classify::{Classify, Results};
use crate::driver::{Walk, on_tokio};
use crate::error::{Error, InvalidConfig};
use crate::fuse::Fuse;
use fusebox_core::balancer::Spec;
use fusebox_core::breaker::ConfigError;
use fusebox_core::flow::Try;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower_service::Service;

/// A pipeline's endpoints as Tower services: each attempt is made by a clone of its endpoint's service, once that is ready.
///
/// The whole pipeline works here, hedges and the balancer too. An attempt begins with its wait for readiness, so an endpoint
/// that never becomes ready runs into the attempt's timeout. The service itself is always ready: which endpoint a call
/// goes to is not known before. Each call's future is boxed, once.
///
/// ```
/// use fusebox::{Fuse, balancer::Spec, tower::EndpointsService};
/// use tower::{ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
/// let names = ["a:80", "b:80"];
/// let fuse = Fuse::builder("orders").endpoints(names.map(Spec::named)).build()?;
/// let at = |name| service_fn(move |order: u32| async move { Ok::<_, std::io::Error>(format!("{order} at {name}")) });
/// let orders = EndpointsService::new(fuse, names.map(at))?;
/// assert_eq!(orders.clone().oneshot(7).await?, "7 at a:80");
/// assert_eq!(orders.oneshot(7).await?, "7 at b:80");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).expect("answers");
/// ```
#[derive(Debug)]
pub struct EndpointsService<S, K = Results, R = Always> {
    services: Arc<[Mutex<S>]>,
    fuse: Fuse<K>,
    replay: R,
}

impl<S, K, R: Clone> Clone for EndpointsService<S, K, R> {
    fn clone(&self) -> Self {
        let (services, fuse) = (self.services.clone(), self.fuse.clone());
        EndpointsService { services, fuse, replay: self.replay.clone() }
    }
}

impl<S, K> EndpointsService<S, K> {
    /// A service for each endpoint of `fuse`, in the same order. Where the fuse retries or hedges, every request may be sent
    /// more than once.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] when there are not as many services as endpoints.
    pub fn new(fuse: Fuse<K>, services: impl IntoIterator<Item = S>) -> Result<Self, InvalidConfig> {
        let services: Vec<S> = services.into_iter().collect();
        let (found, endpoints) = (services.len(), fuse.circuits().count());
        if found != endpoints {
            let accepted = format!("{endpoints}, one for each endpoint of the pipeline,");
            let found = found.to_string();
            return Err(InvalidConfig(vec![ConfigError { field: "services", found, accepted }]));
        }
        Ok(EndpointsService::of(services, fuse, Always))
    }
}

impl<S, K, R> EndpointsService<S, K, R> {
    pub(super) fn of(services: Vec<S>, fuse: Fuse<K>, replay: R) -> Self {
        EndpointsService { services: services.into_iter().map(Mutex::new).collect(), fuse, replay }
    }

    /// Makes every call once, whatever the fuse says of retries.
    pub fn once(self) -> EndpointsService<S, K, Never> {
        self.replay(Never)
    }

    /// Which requests may be sent more than once.
    pub fn replay<Q>(self, replay: Q) -> EndpointsService<S, K, Q> {
        EndpointsService { services: self.services, fuse: self.fuse, replay }
    }

    /// The pipeline.
    pub fn fuse(&self) -> &Fuse<K> {
        &self.fuse
    }

    /// The same pipeline before other endpoints, as [`Fuse::with_endpoints`]. Calls under way finish where they are.
    ///
    /// # Errors
    ///
    /// As [`Fuse::with_endpoints`].
    pub fn with_endpoints(
        &self,
        endpoints: impl IntoIterator<Item = (Spec, S)>,
    ) -> Result<Self, InvalidConfig>
    where
        K: Clone,
        R: Clone,
    {
        let (specs, services): (Vec<_>, Vec<_>) = endpoints.into_iter().unzip();
        Ok(EndpointsService::of(services, self.fuse.with_endpoints(specs)?, self.replay.clone()))
    }
}

impl<S, K, R, Request> Service<Request> for EndpointsService<S, K, R>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    Request: Send + 'static,
    K: Classify<S::Response, S::Error> + Send + Sync + 'static,
    R: Replay<S, Request> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Error<S::Error>>> + Send>>;

    /// Always ready: the endpoint whose readiness counts is chosen in the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let EndpointsService { services, fuse, replay } = self.clone();
        Box::pin(async move {
            let replayable = replay.may(&request);
            let walk = Walk::timed(fuse.clone(), replayable);
            let classify = |result: &Result<S::Response, S::Error>| {
                let mut verdict = fuse.classifier().classify(result);
                verdict.retryable &= replayable;
                verdict
            };
            let mut request = Some(request);
            let attempt = move |of: Try| {
                let service = services[of.endpoint].lock().unwrap_or_else(PoisonError::into_inner).clone();
                let copy = request.as_ref().filter(|_| replayable).and_then(|it| replay.copy(&service, it));
                let made = copy.or_else(|| request.take().map(|request| (service, request)));
                async move {
                    // What may be made once is asked for once.
                    let Some((mut service, request)) = made else { return pending().await };
                    poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(request).await
                }
            };
            on_tokio(walk, &classify, attempt).await.1
        })
    }
}
