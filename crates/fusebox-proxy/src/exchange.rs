//! One attempt: a connection, the request out, the response's head in.

use crate::asks;
use crate::dial::NoConnection;
use crate::hygiene;
use crate::lane::Target;
use crate::link::Link;
use crate::session::Session;
use crate::upload::{ClientFault, Upload};
use fusebox::Time;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::{Body, Incoming};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Why an attempt has no response head.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The endpoint's name has no address.
    Unresolved,
    /// The endpoint takes no connection.
    Refused,
    /// The proxy itself has no descriptor left for a connection.
    Exhausted,
    /// No connection in time.
    ConnectTimeout,
    /// The connection broke before the head.
    Reset,
    /// What came is no HTTP/1.1 response.
    Malformed,
    /// The client's own doing.
    Client(ClientFault),
}

/// A response's head, and the connection its body comes over.
pub(crate) struct Head {
    pub(crate) response: Response<Incoming>,
    pub(crate) link: Link,
}

/// Parts of a body that nobody wants are read away up to this many; a longer one costs its connection.
const SPARED: usize = 16;

impl Head {
    /// Another answer takes its place: saves the connection, if the whole body is there already.
    pub(crate) fn discard(self, target: &Target, session: &Session) {
        let Head { response, mut link } = self;
        let mut body = response.into_body();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..SPARED {
            if body.is_end_stream() {
                session.worker.pool.keep(target.pool, link, session.now());
                return;
            }
            link.advance(&mut cx);
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => {
                    session.worker.pool.keep(target.pool, link, session.now());
                    return;
                }
                _ => return,
            }
        }
    }
}

/// A client's request, from which an attempt's is made.
pub(crate) struct Source {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The client sent a `Host`.
    has_host: bool,
    body: Option<Incoming>,
    /// The request can be made again.
    pub(crate) replayable: bool,
    /// When the call must be over, as the endpoint is told.
    pub(crate) ends: Time,
    /// Its head has been given away.
    spent: bool,
}

impl Source {
    /// The head is cleaned here, once for all attempts.
    pub(crate) fn of(request: Request<Incoming>, session: &Session) -> Self {
        let (mut parts, body) = request.into_parts();
        hygiene::to_upstream(&mut parts.headers, &session.client);
        let body = (!body.is_end_stream()).then_some(body);
        Source {
            replayable: parts.method.is_idempotent() && body.is_none(),
            method: parts.method,
            uri: parts.uri,
            has_host: parts.headers.contains_key(http::header::HOST),
            headers: parts.headers,
            body,
            ends: Time::NEVER,
            spent: false,
        }
    }

    /// Whether nothing of it has left yet, or nothing is lost when it leaves again.
    pub(crate) fn is_whole(&self) -> bool {
        !self.spent || self.replayable
    }

    fn request(&mut self, target: &Target, session: &Rc<Session>) -> Option<Request<Upload>> {
        let body = match self.body.take() {
            Some(body) => Upload::of(body, session.clone()),
            None => Upload::none(session.clone()),
        };
        let chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
        let mut request = Request::new(body);
        *request.uri_mut() = target.uri(&self.uri)?;
        *request.method_mut() = self.method.clone();
        *request.headers_mut() =
            if self.replayable { self.headers.clone() } else { std::mem::take(&mut self.headers) };
        asks::tell_deadline(request.headers_mut(), self.ends, session.now());
        if !self.has_host {
            request.headers_mut().insert(http::header::HOST, target.authority.clone());
        }
        if chunked {
            // Unasked, hyper sends a GET or a HEAD without its body.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        self.spent = true;
        Some(request)
    }

    /// Takes back what never left.
    fn restore(&mut self, request: Request<Upload>) {
        let (parts, mut upload) = request.into_parts();
        self.body = upload.take();
        self.headers = parts.headers;
        self.spent = false;
    }
}

/// Makes an attempt at `target`. While it connects, `connect_by` says until when it may.
pub(crate) async fn exchange(
    session: &Rc<Session>,
    target: &Target,
    source: &mut Source,
    connect_by: &Cell<Time>,
) -> Result<Head, Fault> {
    let worker = &session.worker;
    if let Some(mut link) = worker.pool.take(target.pool, !source.replayable) {
        let request = source.request(target, session).ok_or(Fault::Malformed)?;
        match link.ask(request).await {
            Ok(response) => return head(response, link),
            Err(mut broken) => {
                if let Some(request) = broken.unsent.take() {
                    source.restore(request);
                }
                // The endpoint had closed it while it rested: that is nobody's failure.
                if !source.is_whole() || broken.error.is_parse() {
                    return Err(fault(session, &broken.error));
                }
            }
        }
    }
    connect_by.set(worker.now() + worker.limits.connect_timeout);
    let stream = worker.book.dial(&target.endpoint).await.map_err(|why| match why {
        NoConnection::Unresolved => Fault::Unresolved,
        NoConnection::Refused => Fault::Refused,
        NoConnection::Exhausted => Fault::Exhausted,
    })?;
    connect_by.set(Time::NEVER);
    let over = Link::over(stream, worker.limits.max_header_bytes).await;
    let mut link = over.map_err(|error| fault(session, &error))?;
    let request = source.request(target, session).ok_or(Fault::Malformed)?;
    match link.ask(request).await {
        Ok(response) => head(response, link),
        Err(broken) => Err(fault(session, &broken.error)),
    }
}

fn head(response: Response<Incoming>, link: Link) -> Result<Head, Fault> {
    // Nobody asked for another protocol.
    if response.status().is_informational() || !is_framed_plainly(response.headers()) {
        return Err(Fault::Malformed);
    }
    Ok(Head { response, link })
}

/// Whether there is one way only to read where the body ends: a length beside a transfer coding is a lie, and a
/// coding other than `chunked` would reach the client undone and unnamed.
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => {
            coding.as_bytes().eq_ignore_ascii_case(b"chunked") && !headers.contains_key(CONTENT_LENGTH)
        }
        _ => false,
    }
}

/// Which side is to blame.
fn fault(session: &Session, error: &hyper::Error) -> Fault {
    match session.upload.fault.get() {
        Some(fault) => Fault::Client(fault),
        None if error.is_parse() => Fault::Malformed,
        None => Fault::Reset,
    }
}
