//! One client's connection, from accept to close.
//!
//! Everything that happens on it happens in one task: reading the request, making the attempts, relaying the body.
//! HTTP/1.1 has one call in flight per connection, so the call's time limits are plain cells here, and the task
//! watches them all with one [`Alarm`].

use crate::alarm::Alarm;
use crate::forward::serve_call;
use crate::lane::{Fuses, Lane, Route};
use crate::raw::{Raw, Reading, Tap};
use crate::recorded::Story;
use crate::upload::Progress;
use crate::worker::Worker;
use fusebox::{Outcome, Time};
use fusebox_core::flow::Tail;
use http::{HeaderValue, Version};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;

/// What a client's connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for a request's head.
    Head,
    /// A call is made.
    Call,
    /// The response goes out.
    Body,
}

/// One client's connection.
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    /// The client's address, as `X-Forwarded-For` has it.
    pub(crate) client: HeaderValue,
    /// What the client has sent of late, to the letter.
    pub(crate) raw: RefCell<Raw>,
    pub(crate) upload: Progress,
    http10: Cell<bool>,
    /// The response cannot be finished.
    broken_off: Cell<bool>,
    phase: Cell<Phase>,
    /// Nothing was read for the next head yet.
    fresh: Cell<bool>,
    /// When the phase's own limit is reached.
    limit: Cell<Time>,
    /// When the call in flight wants to be polled.
    due: Cell<Time>,
    /// Calls of this client that wait for a connection, since when, and how long they have in all.
    queueing: Cell<(u32, Time, Duration)>,
    /// The verdict on a body that is on its way.
    tail: RefCell<Option<Held>>,
}

/// A body on its way, the route it came over, its circuits, and what their records will want to know.
type Held = (Tail, Arc<Route>, Fuses, Option<Story>);

/// An attempt that waits for a connection, as long as it lives.
pub(crate) struct Queueing<'a>(&'a Session);

impl Drop for Queueing<'_> {
    fn drop(&mut self) {
        let (waiting, since, before) = self.0.queueing.get();
        let spent = if waiting == 1 { self.0.now().since(since) } else { Duration::ZERO };
        self.0.queueing.set((waiting.saturating_sub(1), since, before.saturating_add(spent)));
    }
}

/// How serving a connection ended.
enum End {
    /// As hyper ends it.
    Done,
    /// hyper refused the head of a request.
    Refused,
    /// The head of a request did not come in time; whether part of it did.
    SlowHead,
    /// The client does not take the response.
    Stalled,
}

impl End {
    fn of(end: &hyper::Result<()>) -> End {
        match end {
            Err(error) if error.is_parse() => End::Refused,
            _ => End::Done,
        }
    }
}

impl Session {
    pub(crate) fn new(worker: Rc<Worker>, client: SocketAddr) -> Self {
        let address = client.ip().to_canonical().to_string();
        let client = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("unknown"));
        let limit = worker.now() + worker.limits().header_timeout;
        Session {
            worker,
            client,
            raw: RefCell::default(),
            upload: Progress::default(),
            http10: Cell::new(false),
            broken_off: Cell::new(false),
            phase: Cell::new(Phase::Head),
            fresh: Cell::new(true),
            limit: Cell::new(limit),
            due: Cell::new(Time::NEVER),
            queueing: Cell::new((0, Time::ZERO, Duration::ZERO)),
            tail: RefCell::new(None),
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.worker.now()
    }

    /// A request's head has come.
    pub(crate) fn begin_call(&self, version: Version, has_body: bool) {
        self.http10.set(version < Version::HTTP_11);
        self.upload.reset(has_body);
        self.queueing.set((0, Time::ZERO, Duration::ZERO));
        self.phase.set(Phase::Call);
        self.limit.set(Time::NEVER);
    }

    /// An attempt begins to wait for a connection.
    pub(crate) fn queue(&self) -> Queueing<'_> {
        let (waiting, since, before) = self.queueing.get();
        let since = if waiting == 0 { self.now() } else { since };
        self.queueing.set((waiting + 1, since, before));
        Queueing(self)
    }

    /// How much of the present call's time was not its endpoint's: it waited for its own client, or for a connection.
    /// Without `queued`, only the former.
    pub(crate) fn excused(&self, now: Time, queued: bool) -> Duration {
        if !queued {
            return self.upload.starved(now);
        }
        let (waiting, since, before) = self.queueing.get();
        let queued = if waiting > 0 { before.saturating_add(now.since(since)) } else { before };
        self.upload.starved(now).saturating_add(queued)
    }

    /// The response is on its way.
    pub(crate) fn begin_body(&self) {
        self.phase.set(Phase::Body);
        self.limit.set(self.now() + self.worker.limits().body_idle_timeout);
        self.due.set(Time::NEVER);
    }

    /// When the present silence in the response has lasted too long.
    pub(crate) fn limit(&self) -> Time {
        self.limit.get()
    }

    /// The client took some of the response, or the endpoint gave some.
    pub(crate) fn moved(&self) {
        let limits = self.worker.limits();
        match self.phase.get() {
            Phase::Head => self.limit.set(self.now() + limits.header_timeout),
            Phase::Body => self.limit.set(self.now() + limits.body_idle_timeout),
            Phase::Call => {}
        }
    }

    /// What the bytes are that come now.
    pub(crate) fn reading(&self) -> Reading {
        match (self.phase.get(), self.fresh.replace(false)) {
            (Phase::Head, true) => Reading::NewHead,
            (Phase::Head, false) => Reading::Head,
            _ => Reading::Call,
        }
    }

    pub(crate) fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = written {
            self.moved();
        }
    }

    /// The response is out, or will never be.
    pub(crate) fn end_call(&self) {
        self.phase.set(Phase::Head);
        self.fresh.set(true);
        self.limit.set(self.now() + self.worker.limits().header_timeout);
        self.due.set(Time::NEVER);
    }

    /// The response ends here, unfinished.
    pub(crate) fn break_off(&self) {
        self.broken_off.set(true);
    }

    /// Asks to be polled at `due`.
    pub(crate) fn wake_at(&self, due: Time) {
        self.due.set(due);
    }

    /// Asks to be polled at `due` at the latest.
    pub(crate) fn wake_by(&self, due: Time) {
        self.due.set(self.due.get().min(due));
    }

    /// The verdict on the body that begins now is open.
    pub(crate) fn hold(&self, tail: Tail, lane: &Lane, fuses: Fuses, story: Option<Story>) {
        *self.tail.borrow_mut() = Some((tail, lane.route.clone(), fuses, story));
    }

    /// The body has come to this. Only the first verdict counts.
    pub(crate) fn settle(&self, outcome: Outcome) {
        if let Some((tail, route, fuses, story)) = self.tail.borrow_mut().take() {
            if let (Outcome::Failure(kind), Some(story)) = (outcome, story) {
                let endpoint = tail.endpoint();
                story.broke(&fuses, (endpoint, &route.endpoints[endpoint].endpoint.authority), kind);
            }
            tail.end(&route.pipeline, &fuses, outcome, self.now());
        }
    }

    /// The body takes long: its head was good, and that is what the circuit hears. The call keeps its place.
    fn settle_early(&self) {
        if let Some((tail, _, fuses, _)) = &mut *self.tail.borrow_mut() {
            tail.settle(fuses, Outcome::Success, self.now());
        }
    }

    /// Settles a body that has lasted long enough.
    pub(crate) fn settle_if_due(&self) {
        if self.now() >= self.settle_by() {
            self.settle_early();
        }
    }

    fn settle_by(&self) -> Time {
        self.tail.borrow().as_ref().map_or(Time::NEVER, |(tail, ..)| tail.settle_by())
    }

    /// When it has to be polled again.
    pub(crate) fn next_due(&self) -> Time {
        self.limit.get().min(self.due.get()).min(self.settle_by())
    }

    /// What is to happen at `now`, apart from what the call itself does when it is polled.
    fn on_time(&self, now: Time) -> Option<End> {
        if now >= self.settle_by() {
            // A stream may last for ever; it has begun well.
            self.settle_early();
        }
        match self.phase.get() {
            _ if now < self.limit.get() => None,
            Phase::Head => Some(End::SlowHead),
            Phase::Body => Some(End::Stalled),
            Phase::Call => None,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.settle(Outcome::Cancelled);
    }
}

/// Serves one client until it closes, misbehaves, or the worker drains.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, client: SocketAddr) {
    let session = Rc::new(Session::new(worker.clone(), client));
    let calls = session.clone();
    let service = service_fn(move |request| serve_call(calls.clone(), request));
    let io = TokioIo::new(Tap::new(stream, session.clone()));
    let mut http = Builder::new();
    http.max_buf_size(worker.limits().max_header_bytes);
    let mut connection = http.serve_connection(io, service);
    let (mut alarm, mut draining) = (Alarm::new(), false);
    let guest = worker.guests.enter();
    let end = poll_fn(|cx| {
        guest.wake_with(cx.waker());
        if !draining && worker.guests.is_closing() {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        loop {
            if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::of(&end));
            }
            ready!(alarm.poll(cx, worker.clock(), session.next_due()));
            // The call sees for itself what is due when it is polled; what is due then still is the client's.
            session.due.set(Time::NEVER);
            if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::of(&end));
            }
            if let Some(end) = session.on_time(worker.now()) {
                return Poll::Ready(end);
            }
        }
    });
    let end = end.await;
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    match end {
        // HTTP/1.0 marks the end of a message by closing: only a reset tells that this is none.
        _ if session.broken_off.get() && session.http10.get() => stream.reset(),
        End::SlowHead if !parts.read_buf.is_empty() => stream.say_last(REQUEST_TIMEOUT).await,
        End::Refused => stream.linger().await,
        End::Done if session.upload.is_unfinished() => stream.linger().await,
        _ => {}
    }
}

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
