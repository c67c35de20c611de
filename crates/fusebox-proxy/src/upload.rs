//! A request's body, on its way from the client to an endpoint.
//!
//! What goes wrong with it is the client's doing and must never speak against the endpoint; so is the time it takes.

use crate::session::Session;
use bytes::Bytes;
use fusebox::Time;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a client can do wrong while it sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// The body breaks its own framing, or ends early.
    Malformed,
    /// Nothing came for too long.
    Stalled,
}

/// How the upload of the present call stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Since when the endpoint would take more than the client has sent.
    starved_since: Cell<Option<Time>>,
    /// How long that has been, before.
    starved: Cell<Duration>,
    pub(crate) fault: Cell<Option<ClientFault>>,
    /// Some of it has not been read.
    unfinished: Cell<bool>,
}

impl Progress {
    /// A new call begins.
    pub(crate) fn reset(&self, has_body: bool) {
        self.unfinished.set(has_body);
        self.starved_since.set(None);
        self.starved.set(Duration::ZERO);
        self.fault.set(None);
    }

    /// Whether the client may still be sending.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.get()
    }

    /// Since when the call waits for its own client.
    pub(crate) fn starved_since(&self) -> Option<Time> {
        self.starved_since.get()
    }

    /// How long the call has waited for its own client.
    pub(crate) fn starved(&self, now: Time) -> Duration {
        let present = self.starved_since.get().map_or(Duration::ZERO, |since| now.since(since));
        self.starved.get().saturating_add(present)
    }

    fn fed(&self, now: Time) {
        self.starved.set(self.starved(now));
        self.starved_since.set(None);
    }
}

/// A request's body as it goes out.
pub(crate) struct Upload {
    incoming: Option<Incoming>,
    session: Rc<Session>,
}

impl Upload {
    pub(crate) fn of(incoming: Incoming, session: Rc<Session>) -> Self {
        Upload { incoming: Some(incoming), session }
    }

    /// The body itself, if nothing of it has left.
    pub(crate) fn take(&mut self) -> Option<Incoming> {
        self.incoming.take()
    }

    pub(crate) fn none(session: Rc<Session>) -> Self {
        Upload { incoming: None, session }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let progress = &this.session.upload;
        let frame = Pin::new(&mut *incoming).poll_frame(cx);
        match &frame {
            Poll::Pending if progress.starved_since.get().is_none() => {
                progress.starved_since.set(Some(this.session.now()));
            }
            Poll::Pending => {}
            Poll::Ready(frame) => {
                progress.fed(this.session.now());
                match frame {
                    Some(Err(_)) => progress.fault.set(Some(ClientFault::Malformed)),
                    Some(Ok(_)) if !incoming.is_end_stream() => {}
                    _ => progress.unfinished.set(false),
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Whatever became of the rest, nobody waits for the client any more.
        if self.incoming.is_some() && self.session.upload.starved_since.get().is_some() {
            self.session.upload.fed(self.session.now());
        }
    }
}
