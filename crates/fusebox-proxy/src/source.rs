//! A client's request, from which the attempts' are made.

use crate::hygiene;
use crate::intake::Intake;
use crate::lane::{Route, Target};
use crate::session::Session;
use crate::upload::Upload;
use crate::wire;
use bytes::Bytes;
use fusebox::Time;
use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use hyper::body::{Body, Incoming};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A client's request.
pub(crate) struct Source {
    method: Method,
    uri: Uri,
    headers: RefCell<HeaderMap>,
    /// The client sent a `Host`.
    has_host: bool,
    body: Option<Rc<Intake>>,
    /// Making it twice does no more than making it once.
    repeatable: bool,
    /// Its head has been given away.
    spent: Cell<bool>,
    /// How often it has left, as far as anybody can tell.
    left: Cell<u32>,
    /// When the call must be over.
    deadline: Cell<Time>,
}

impl Source {
    /// The head is cleaned here, once for all attempts.
    pub(crate) fn of(mut parts: Parts, body: Incoming, route: &Route, session: &Session) -> Self {
        hygiene::to_upstream(&mut parts.headers, &session.client);
        let repeatable = parts.method.is_idempotent() || parts.headers.contains_key(&route.idempotency_key);
        let room = if repeatable { route.max_replay_bytes } else { 0 };
        let body = (!body.is_end_stream()).then(|| Rc::new(Intake::of(body, room)));
        Source {
            repeatable,
            method: parts.method,
            uri: parts.uri,
            has_host: parts.headers.contains_key(HOST),
            headers: RefCell::new(parts.headers),
            body,
            spent: Cell::new(false),
            left: Cell::new(0),
            deadline: Cell::new(Time::NEVER),
        }
    }

    /// A call that was kept, with the head that endpoints get.
    pub(crate) fn again(parts: Parts, body: Bytes, repeatable: bool) -> Self {
        Source {
            repeatable,
            method: parts.method,
            uri: parts.uri,
            has_host: parts.headers.contains_key(HOST),
            headers: RefCell::new(parts.headers),
            body: (!body.is_empty()).then(|| Rc::new(Intake::here(&body))),
            spent: Cell::new(false),
            left: Cell::new(0),
            deadline: Cell::new(Time::NEVER),
        }
    }

    /// What is asked for.
    pub(crate) fn asked(&self) -> (&Method, &Uri) {
        (&self.method, &self.uri)
    }

    /// The whole body, waited for; or why there is not.
    pub(crate) async fn whole(&self, session: &Session, room: usize) -> Result<Bytes, &'static str> {
        if self.spent.get() && !self.repeatable {
            return Err("gone");
        }
        match &self.body {
            Some(body) => body.whole(session, room).await,
            None => Ok(Bytes::new()),
        }
    }

    /// Reads the head that the endpoints get.
    pub(crate) fn with_headers<R>(&self, read: impl FnOnce(&HeaderMap) -> R) -> R {
        read(&self.headers.borrow())
    }

    /// Whether there is a body.
    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether the request can be made again after one that may have been obeyed.
    pub(crate) fn is_replayable(&self) -> bool {
        self.repeatable && self.body.as_ref().is_none_or(|body| body.is_kept())
    }

    /// Whether two attempts can be under way at once, each with the whole request.
    pub(crate) fn is_there(&self) -> bool {
        self.repeatable && self.body.as_ref().is_none_or(|body| body.is_there())
    }

    /// Whether nothing of it has left yet, or nothing is lost when it leaves again.
    pub(crate) fn is_whole(&self) -> bool {
        !self.spent.get() || self.is_replayable()
    }

    /// Attempts from now on are told that the call ends then.
    pub(crate) fn due_by(&self, deadline: Time) {
        self.deadline.set(deadline);
    }

    /// The request for an attempt; `None` if `target` cannot be asked for that.
    pub(crate) fn request(&self, target: &Target, session: &Rc<Session>) -> Option<Request<Upload>> {
        let body = Upload::of(self.body.clone(), session.clone());
        let chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
        let mut request = Request::new(body);
        *request.uri_mut() = target.uri(&self.uri)?;
        *request.method_mut() = self.method.clone();
        let again = self.is_replayable();
        *request.headers_mut() = if again { self.headers.borrow().clone() } else { self.headers.take() };
        let headers = request.headers_mut();
        if !self.has_host {
            headers.insert(HOST, target.authority.clone());
        }
        if chunked {
            // Unasked, hyper sends a GET or a HEAD without its body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        wire::tell_deadline(headers, self.deadline.get(), session.now());
        self.spent.set(true);
        self.left.set(self.left.get() + 1);
        Some(request)
    }

    /// Takes back what never left.
    pub(crate) fn restore(&self, request: Request<Upload>) {
        let (parts, _) = request.into_parts();
        *self.headers.borrow_mut() = parts.headers;
        self.spent.set(false);
        self.left.set(self.left.get().saturating_sub(1));
    }

    /// How often it has left: somebody may have done what it asks for.
    pub(crate) fn left(&self) -> u32 {
        self.left.get()
    }
}
