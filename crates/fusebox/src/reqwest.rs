//! A middleware for [`reqwest_middleware`]: every request of a client goes through a pipeline.
//!
//! ```
//! use fusebox::reqwest::FuseMiddleware;
//! use fusebox::{Fuse, retry};
//! use reqwest_middleware::ClientBuilder;
//! use std::time::Duration;
//!
//! # fn client() -> Result<(), fusebox::InvalidConfig> {
//! let protect = FuseMiddleware::by_host(100, |host| {
//!     Fuse::builder(host)
//!         .timeout(Duration::from_secs(2))
//!         .deadline(Duration::from_secs(5))
//!         .retry(retry::Config::default())
//! })?;
//! let client = ClientBuilder::new(reqwest::Client::new()).with(protect).build();
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! * **What counts** is [`Responses`]' to tell: statuses as [`http::verdict`] has them, with
//!   `Retry-After` obeyed, and connections that fail, break or take too long.
//! * **What is sent again**: requests with an idempotent method or an `Idempotency-Key`, whose body can be cloned. A
//!   stream can not.
//! * **The clocks stop at the head of the response.** The body is the caller's to read; `reqwest`'s own timeout covers it.
//! * **Redirects** are followed inside an attempt, by the client: the circuit is that of the host that was asked first.
//! * **Order**: middleware added before this one sees a call once; middleware added after it sees each attempt.

use crate::classify::{self, Classify};
use crate::error::{Error, InvalidConfig};
use crate::fuse::{Fuse, FuseBuilder};
use crate::http;
use crate::tower::{FuseService, Replay};
use ::http::Extensions;
use ::reqwest::{Request, Response};
use fusebox_core::registry::{Entry, OTHER, Registry};
use fusebox_core::{Failure, Verdict, breaker};
use reqwest_middleware::{Middleware, Next};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower_service::Service;

/// Sends every request through a pipeline: one for all, or one for each host.
pub struct FuseMiddleware<K = Responses>(Fuses<K>);

enum Fuses<K> {
    One(Fuse<K>),
    ByHost(Hosts<K>),
}

type Make<K> = Box<dyn Fn(&str) -> Result<Fuse<K>, InvalidConfig> + Send + Sync>;

struct Hosts<K> {
    fuses: Registry<Host<K>>,
    make: Make<K>,
    /// For a host that no pipeline can be made for.
    other: Host<K>,
}

/// Held by the registry, and by the calls in flight.
struct Host<K>(Arc<Fuse<K>>);

impl FuseMiddleware {
    /// One pipeline for every request of the client, judged by [`Responses`].
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work.
    pub fn new(fuse: FuseBuilder) -> Result<Self, InvalidConfig> {
        fuse.classify(Responses).build().map(Self::with_fuse)
    }

    /// A pipeline for each host, made by `fuse` from its name and port, such as `api.example.com:443`, and judged by
    /// [`Responses`]. Hosts may come from user input, so at most `most` are known at a time: idle ones make room, and when
    /// none are idle, newcomers share a pipeline made for `other`.
    ///
    /// To have the circuits told and shown with others, take them from a registry:
    /// `|host| Fuse::builder(host).circuit(registry.circuit(host))`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work, of the pipeline for `other`. A host for which only its own
    /// pipeline cannot be made shares that one.
    pub fn by_host(
        most: usize,
        fuse: impl Fn(&str) -> FuseBuilder + Send + Sync + 'static,
    ) -> Result<Self, InvalidConfig> {
        let make = move |host: &str| fuse(host).classify(Responses).build();
        let other = Host(Arc::new(make(OTHER)?));
        Ok(FuseMiddleware(Fuses::ByHost(Hosts { fuses: Registry::new(most), make: Box::new(make), other })))
    }
}

impl<K> FuseMiddleware<K> {
    /// One pipeline that exists, with a classifier of its own.
    pub fn with_fuse(fuse: Fuse<K>) -> Self {
        FuseMiddleware(Fuses::One(fuse))
    }
}

impl<K> Hosts<K> {
    fn find(&self, request: &Request) -> Host<K> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let name = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let now = self.other.0.circuit().clock().now();
        if let Some(known) = self.fuses.find(&name) {
            return known;
        }
        // A host that no pipeline can be made for takes nobody's room.
        let Ok(fuse) = (self.make)(&name) else { return self.other.clone() };
        self.fuses.circuit(&name, now, |name| match name {
            OTHER => self.other.clone(),
            _ => Host(Arc::new(fuse)),
        })
    }
}

impl<K> Clone for Host<K> {
    fn clone(&self) -> Self {
        Host(self.0.clone())
    }
}

impl<K> Entry for Host<K> {
    fn circuit(&self) -> &breaker::CircuitBreaker {
        self.0.circuit().core()
    }

    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl<K> fmt::Debug for FuseMiddleware<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            Fuses::One(fuse) => fuse.circuit().name(),
            Fuses::ByHost(_) => "each host",
        };
        f.debug_tuple("FuseMiddleware").field(&name).finish()
    }
}

#[async_trait::async_trait]
impl<K> Middleware for FuseMiddleware<K>
where
    K: Classify<Response, reqwest_middleware::Error> + Clone + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        // Held until the call is over: a host with a call in flight is not let go of.
        let host;
        let fuse = match &self.0 {
            Fuses::One(fuse) => fuse,
            Fuses::ByHost(hosts) => {
                host = hosts.find(&request);
                &*host.0
            }
        };
        let shared = Arc::new(Mutex::new(extensions.clone()));
        let chain = Chain { next, extensions: shared.clone() };
        let result = FuseService::new(chain, fuse.clone()).replay(Replayable).call(request).await;
        *extensions = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
        result.map_err(outward)
    }
}

/// The rest of the middleware, with the client at its end.
#[derive(Clone)]
struct Chain<'a> {
    next: Next<'a>,
    /// What the last attempt has left behind.
    extensions: Arc<Mutex<Extensions>>,
}

impl<'a> Service<Request> for Chain<'a> {
    type Response = Response;
    type Error = reqwest_middleware::Error;
    type Future = Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Chain { next, extensions: shared } = self.clone();
        Box::pin(async move {
            let mut extensions = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let result = next.run(request, &mut extensions).await;
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = extensions;
            result
        })
    }
}

/// Sends again what may be, and can be cloned.
#[derive(Clone, Copy)]
struct Replayable;

impl Replay<Chain<'_>, Request> for Replayable {
    fn may(&self, request: &Request) -> bool {
        http::is_replayable(request.method(), request.headers()) && request.try_clone().is_some()
    }

    fn copy<'a>(&self, service: &Chain<'a>, request: &Request) -> Option<(Chain<'a>, Request)> {
        Some((service.clone(), request.try_clone()?))
    }

    fn keeps(&self) -> bool {
        true
    }

    // Always ready, whichever clone.
    fn keep<'a>(&self, service: &mut Chain<'a>, request: Request) -> Option<(Chain<'a>, Request)> {
        Some((service.clone(), request))
    }
}

/// Judges responses by [`http::verdict`], and errors by what broke.
///
/// A request that could not be built is ignored. Another middleware's error counts as a failure but is not tried again,
/// unless it is a refusal by another circuit, which is no evidence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responses;

impl Classify<Response, reqwest_middleware::Error> for Responses {
    fn classify(&self, result: &reqwest_middleware::Result<Response>) -> Verdict {
        match result {
            Ok(response) => http::verdict(response.status(), response.headers()),
            Err(reqwest_middleware::Error::Reqwest(error)) => of_client(error),
            Err(error) => match cause(error) {
                Some(Error::Rejected(_)) => Verdict::REFUSED,
                Some(_) => Verdict::final_failure(Failure::Timeout),
                None => Verdict::final_failure(Failure::Error),
            },
        }
    }
}

fn of_client(error: &::reqwest::Error) -> Verdict {
    if let Some(status) = error.status() {
        return classify::http(status.as_u16(), None);
    }
    if error.is_builder() {
        return Verdict::IGNORED;
    }
    // A connection that takes too long is both.
    if error.is_connect() {
        return Verdict::failure(Failure::Connect);
    }
    if error.is_timeout() {
        return Verdict::failure(Failure::Timeout);
    }
    if error.is_redirect() {
        return Verdict::final_failure(Failure::Malformed);
    }
    Verdict::failure(Failure::Reset)
}

/// The client's own error as it is, and this middleware's as one of a middleware.
fn outward(error: Error<reqwest_middleware::Error>) -> reqwest_middleware::Error {
    let own = match error {
        Error::Failed(error) => return error,
        Error::Rejected(rejected) => Error::Rejected(rejected),
        Error::TimedOut => Error::TimedOut,
        Error::DeadlineExceeded => Error::DeadlineExceeded,
    };
    reqwest_middleware::Error::middleware::<Error<Infallible>>(own)
}

/// Why this middleware gave no answer, if it was this middleware that gave none: a refusal or a time that was over.
///
/// ```
/// use fusebox::{Error, reqwest::cause};
/// # fn show(error: reqwest_middleware::Error) {
/// match cause(&error) {
///     Some(Error::Rejected(rejected)) => println!("not called: {rejected}"),
///     Some(late) => println!("failed to {late}"),
///     None => println!("the client's own: {error}"),
/// }
/// # }
/// ```
pub fn cause(error: &reqwest_middleware::Error) -> Option<&Error<Infallible>> {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
        reqwest_middleware::Error::Reqwest(_) => None,
    }
}
