//! The interface as a service: requests and responses of the crate `http`, for hyper, axum and whatever else speaks Tower.

use super::access::lease::Lease;
use super::answer::Answer;
use super::watch::Feed;
use super::{Admin, Asked, Peer};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Limited};
use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The longest body of a request.
pub const LONGEST_BODY: usize = 64 << 10;

/// The body of an answer: whole, or a stream of events that ends when its reader falls behind.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Events(Feed, Option<Lease>),
}

/// A stream of events, and the request that asked for it.
pub(crate) struct Stream {
    pub(super) feed: Feed,
    pub(super) lease: Option<Lease>,
    pub(super) id: String,
}

impl Body {
    /// Whether it is a stream without an end, which a server gives no time limit.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Events(..))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.0 {
            Kind::Whole(body) => Poll::Ready(body.take()),
            Kind::Events(feed, lease) => match Pin::new(feed).poll_frame(cx) {
                Poll::Ready(_) if !lease.as_mut().is_none_or(Lease::holds) => Poll::Ready(None),
                other => other,
            },
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Kind::Whole(body) => http_body::SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Events(..) => http_body::SizeHint::default(),
        }
    }
}

/// The interface as a Tower service. Every answer is a response: it never fails.
///
/// In an application of axum, beside its own routes:
///
/// ```text
/// let admin = fusebox::admin::Admin::new(fusebox::Registry::global().clone());
/// admin.ready(true);
/// let app = axum::Router::new().nest_service("/fusebox", admin.service());
/// ```
#[derive(Clone, Debug)]
pub struct Service(Admin);

impl Admin {
    /// The interface as a service for a server of the application's own. It starts a thread that follows the circuits, once.
    ///
    /// Who asks is who a [`Peer`] among the request's extensions says; without one the request counts as coming from elsewhere, so that
    /// changes need a token.
    pub fn service(&self) -> Service {
        self.start();
        Service(self.clone())
    }

    /// Answers a request whose body has been read.
    pub async fn handle(&self, request: Request<Bytes>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let asked = Asked::of(&parts, &body, peer);
        if asked.path() == "/events" && asked.method == "GET" {
            return match self.follow(asked) {
                Ok(stream) => events(stream),
                Err(answer) => whole(answer, asked.method),
            };
        }
        whole(self.respond(asked).await, parts.method.as_str())
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let admin = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
            let body = Limited::new(body, LONGEST_BODY).collect().await;
            Ok(match body {
                Ok(body) => admin.handle(Request::from_parts(parts, body.to_bytes()), peer).await,
                Err(_) => whole(admin.refuse_body(Asked::of(&parts, &[], peer)), parts.method.as_str()),
            })
        })
    }
}

fn whole(answer: Answer, method: &str) -> Response<Body> {
    let body = match answer.body {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    };
    let length = body.len();
    let body = if method == "HEAD" { Bytes::new() } else { body };
    let mut response = Response::new(Body(Kind::Whole((!body.is_empty()).then_some(body))));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = answer.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    sealed(headers);
    response
}

fn events(Stream { feed, lease, id }: Stream) -> Response<Body> {
    let mut response = Response::new(Body(Kind::Events(feed, lease)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.extend(HeaderValue::try_from(id).map(|id| (HeaderName::from_static("x-request-id"), id)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    sealed(headers);
    response
}

/// No page may frame an answer, and no browser guess what it is.
fn sealed(headers: &mut http::HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
