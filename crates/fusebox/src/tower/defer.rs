//! Keeping calls for later, in front of a pipeline.

use crate::classify::Classify;
use crate::error::Error;
use crate::fuse::Fuse;
use crate::queue::{Deferred, Deferrer, NewItem};
use fusebox_core::Outcome;
use fusebox_core::fallback::{Kind, Told};
use fusebox_core::pipeline::{FallbackOn, Stage};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Timeout;
use tower_layer::Layer;
use tower_service::Service;

/// Keeps the calls that the pipeline behind it refuses, or that fail there, to be made later.
///
/// It stands in front of the [`FuseLayer`](super::FuseLayer) of the same fuse, and defers what that would have a fallback answer, as
/// its [`fallback_on`](crate::FuseBuilder::fallback_on) says. A call of which an attempt may have been begun is kept as one that may
/// have been made.
///
/// ```
/// use fusebox::queue::{Deferrer, Limits, Memory, Needs, NewItem};
/// use fusebox::{Fuse, tower::{DeferLayer, FuseLayer}};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
/// let fuse = Fuse::builder("provider").build()?;
/// let needs = Needs { durable: false, ..Needs::default() };
/// let deferrer = Deferrer::new(Memory::new(Limits::default()), &needs)?;
/// let item = |order: &u32| Some(NewItem::new("payments", format!("order-{order}"), order.to_be_bytes()));
/// let payments = ServiceBuilder::new()
///     .layer(DeferLayer::new(deferrer, &fuse, item, |deferred| format!("accepted as {}", deferred.id.0)))
///     .layer(FuseLayer::new(fuse.clone()))
///     .service_fn(async |_order: u32| Err::<String, _>(std::io::Error::other("down")));
/// assert_eq!(payments.oneshot(17).await?, "accepted as 1");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).expect("kept");
/// ```
#[derive(Clone)]
pub struct DeferLayer<K, M, F> {
    deferrer: Deferrer,
    fuse: Fuse<K>,
    item: M,
    answer: F,
}

impl<K, M, F> fmt::Debug for DeferLayer<K, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferLayer").field("deferrer", &self.deferrer).finish_non_exhaustive()
    }
}

impl<K: Clone, M, F> DeferLayer<K, M, F> {
    /// A layer in front of the pipeline of `fuse`. `item` says what is kept of a request, before it is made, and `None` for one that
    /// cannot wait; `answer` what its caller has meanwhile.
    pub fn new<T>(deferrer: Deferrer, fuse: &Fuse<K>, item: M, answer: F) -> Self
    where
        F: Fn(Deferred) -> T,
    {
        DeferLayer { deferrer, fuse: fuse.clone(), item, answer }
    }
}

impl<S, K: Clone, M: Clone, F: Clone> Layer<S> for DeferLayer<K, M, F> {
    type Service = DeferService<S, K, M, F>;

    fn layer(&self, inner: S) -> Self::Service {
        DeferService { inner, layer: self.clone() }
    }
}

/// A service whose calls may be kept for later. From a [`DeferLayer`].
#[derive(Clone, Debug)]
pub struct DeferService<S, K, M, F> {
    inner: S,
    layer: DeferLayer<K, M, F>,
}

impl<S, K, M, F, E, Request> Service<Request> for DeferService<S, K, M, F>
where
    S: Service<Request, Error = Error<E>>,
    K: Classify<S::Response, E> + Clone,
    M: Fn(&Request) -> Option<NewItem>,
    F: Fn(Deferred) -> S::Response + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = DeferFuture<S::Future, K, F, S::Response, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let item = (self.layer.item)(&request);
        DeferFuture {
            call: self.inner.call(request),
            item,
            keeping: None,
            failed: None,
            deferrer: self.layer.deferrer.clone(),
            fuse: self.layer.fuse.clone(),
            answer: self.layer.answer.clone(),
        }
    }
}

type Keeping = Pin<Box<Timeout<Pin<Box<dyn Future<Output = Option<Deferred>> + Send>>>>>;

pin_project! {
    /// A call through a [`DeferService`].
    ///
    /// # Cancel safety
    ///
    /// Dropped while the store has it, the call may be kept or not.
    #[must_use = "futures do nothing unless polled"]
    pub struct DeferFuture<Fut, K, F, T, E> {
        #[pin]
        call: Fut,
        item: Option<NewItem>,
        keeping: Option<Keeping>,
        failed: Option<Result<T, Error<E>>>,
        deferrer: Deferrer,
        fuse: Fuse<K>,
        answer: F,
    }
}

impl<Fut, K, F, T, E> Future for DeferFuture<Fut, K, F, T, E>
where
    Fut: Future<Output = Result<T, Error<E>>>,
    K: Classify<T, E>,
    F: Fn(Deferred) -> T,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.keeping.is_none() {
            let result = ready!(this.call.poll(cx));
            let (result, deferrable) = judged(this.fuse, result);
            let Some(item) = this.item.take().filter(|_| deferrable) else { return Poll::Ready(result) };
            let refused = matches!(result, Err(Error::Rejected(_))) && !retries(this.fuse);
            let item = NewItem { needs_check: item.needs_check || !refused, ..item };
            *this.failed = Some(result);
            *this.keeping = Some(Box::pin(this.deferrer.keeping(item)));
        }
        let Some(keeping) = this.keeping else { unreachable!("it was set above") };
        let deferred = ready!(keeping.as_mut().poll(cx)).ok().flatten();
        let told = if deferred.is_some() { Told::Answered } else { Told::Nothing };
        this.fuse.fallback_counters().told(Kind::Queue, told);
        match (deferred, this.failed.take()) {
            (Some(deferred), _) => Poll::Ready(Ok((this.answer)(deferred))),
            (None, Some(result)) => Poll::Ready(result),
            (None, None) => panic!("a call was polled after it had finished"),
        }
    }
}

/// The result, and whether the pipeline would have a fallback answer in its place.
fn judged<K: Classify<T, E>, T, E>(
    fuse: &Fuse<K>,
    result: Result<T, Error<E>>,
) -> (Result<T, Error<E>>, bool) {
    let on = fuse.pipeline().stages().iter().find_map(|stage| match stage {
        Stage::Fallback(on) => Some(*on),
        _ => None,
    });
    let failures_too = on.unwrap_or_default() == FallbackOn::Failed;
    let speaks = |result: &Result<T, E>| {
        let verdict = fuse.classifier().classify(result);
        verdict.refused || (failures_too && matches!(verdict.outcome, Outcome::Failure(_)))
    };
    match result {
        Err(Error::Rejected(rejected)) => {
            let falls_back = rejected.reason.falls_back();
            (Err(Error::Rejected(rejected)), falls_back)
        }
        Err(Error::Failed(error)) => {
            let result = Err(error);
            let deferrable = speaks(&result);
            (result.map_err(Error::Failed), deferrable)
        }
        Ok(value) => {
            let result = Ok(value);
            let deferrable = speaks(&result);
            (result.map_err(Error::Failed), deferrable)
        }
        Err(late) => (Err(late), failures_too),
    }
}

/// Whether a refusal may have come after an attempt.
fn retries<K>(fuse: &Fuse<K>) -> bool {
    fuse.pipeline().stages().iter().any(|stage| matches!(stage, Stage::Retry { .. }))
}
