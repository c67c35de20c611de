//! A request's body, on its way from the client to an endpoint.
//!
//! What goes wrong with it is the client's doing and must never speak against the endpoint; so is the time it takes.

use crate::intake::Intake;
use crate::session::Session;
use bytes::Bytes;
use fusebox::Time;
use http_body::{Body, Frame, SizeHint};
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

    /// The endpoint would take more than the client has sent.
    pub(crate) fn starves(&self, now: Time) {
        if self.starved_since.get().is_none() {
            self.starved_since.set(Some(now));
        }
    }

    /// The client has sent more, or nobody waits for it any longer.
    pub(crate) fn fed(&self, now: Time) {
        self.starved.set(self.starved(now));
        self.starved_since.set(None);
    }

    /// All of it has been read, or all that ever will be.
    pub(crate) fn finished(&self) {
        self.unfinished.set(false);
    }
}

/// A request's body as one attempt sends it.
pub(crate) struct Upload {
    intake: Option<Rc<Intake>>,
    /// How much of it this attempt has had.
    read: u64,
    session: Rc<Session>,
}

impl Upload {
    pub(crate) fn of(intake: Option<Rc<Intake>>, session: Rc<Session>) -> Self {
        Upload { intake, read: 0, session }
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
        match &this.intake {
            Some(intake) => intake.poll(&mut this.read, cx, &this.session),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.intake.as_ref().is_none_or(|intake| intake.is_over(self.read))
    }

    fn size_hint(&self) -> SizeHint {
        self.intake.as_ref().map_or(SizeHint::with_exact(0), |intake| intake.size_hint(self.read))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Whatever became of the rest, nobody waits for the client any more.
        if self.intake.is_some() && self.session.upload.starved_since.get().is_some() {
            self.session.upload.fed(self.session.now());
        }
    }
}
