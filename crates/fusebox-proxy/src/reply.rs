//! A response's body, on its way to the client.
//!
//! After a good head the breaker's verdict stays open until the body has ended, or until it has lasted longer than a
//! slow call may. A body that breaks is passed on as broken: the client's connection is closed in the middle of the
//! message, so that it can never be taken for a whole one.

use crate::harbour::PoolId;
use crate::kept::Keeper;
use crate::link::Link;
use crate::session::Session;
use bytes::Bytes;
use fusebox::{Failure, Outcome, Time};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A response's body.
pub(crate) struct Reply {
    session: Rc<Session>,
    source: Source,
}

enum Source {
    /// Kept ready.
    Ready(Bytes),
    /// Comes from an endpoint.
    Live(Live),
}

struct Live {
    incoming: Incoming,
    /// Goes back to its pool when the body has ended.
    link: Option<Link>,
    pool: PoolId,
    deadline: Time,
    /// Keeps the answer, once it is whole.
    keeper: Option<Box<Keeper>>,
    /// What is told at the next poll: until then, what came before it goes out.
    unfinished: Option<Unfinished>,
}

/// Why a response stays unfinished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    /// The endpoint broke it off.
    #[error("relay the response: the endpoint broke it off: {0}")]
    Broken(#[from] hyper::Error),
    /// The endpoint fell silent.
    #[error("relay the response: the endpoint fell silent")]
    Silent,
    /// The call's deadline has come.
    #[error("relay the response within the deadline of the call")]
    Late,
}

impl Reply {
    /// A body that is there already.
    pub(crate) fn ready(body: Bytes, session: Rc<Session>) -> Self {
        session.begin_body();
        Reply { session, source: Source::Ready(body) }
    }

    /// A body that comes over a link, which goes to a pool afterwards; to be whole by `deadline`.
    pub(crate) fn live(
        incoming: Incoming,
        (link, pool): (Link, PoolId),
        deadline: Time,
        keeper: Option<Box<Keeper>>,
        session: Rc<Session>,
    ) -> Self {
        session.begin_body();
        let mut live = Live { incoming, link: Some(link), pool, deadline, keeper, unfinished: None };
        if live.incoming.is_end_stream() {
            live.finish(&session);
        }
        Reply { session, source: Source::Live(live) }
    }
}

impl Live {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        if let Some(why) = self.unfinished.take() {
            return Poll::Ready(Some(Err(why)));
        }
        // What came with the head is there already.
        let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending()
            && let Some(link) = &mut self.link
        {
            link.advance(cx);
            frame = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match frame {
            // They end the body, and they end here.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                self.finish(session);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                session.moved();
                if let (Some(keeper), Some(part)) = (&mut self.keeper, frame.data_ref())
                    && !keeper.sees(part)
                {
                    self.keeper = None;
                }
                if self.incoming.is_end_stream() {
                    self.finish(session);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish(session);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let outcome = match session.upload.fault.get() {
                    Some(_) => Outcome::Ignored,
                    None => Outcome::Failure(kind(&error)),
                };
                self.give_up(cx, session, outcome, error.into())
            }
            Poll::Pending => self.wait(cx, session),
        }
    }

    fn wait(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let now = session.now();
        if now >= session.limit() {
            // It may be silent because its client is: it cannot answer what it has not been sent.
            let outcome = match session.upload.starved_since() {
                Some(_) => Outcome::Ignored,
                None => Outcome::Failure(Failure::Timeout),
            };
            self.give_up(cx, session, outcome, Unfinished::Silent)
        } else if now >= self.deadline {
            self.give_up(cx, session, Outcome::Cancelled, Unfinished::Late)
        } else {
            session.wake_at(self.deadline);
            Poll::Pending
        }
    }

    /// The body is whole.
    fn finish(&mut self, session: &Session) {
        session.settle(Outcome::Success);
        if let Some(keeper) = self.keeper.take() {
            keeper.keep();
        }
        if let Some(link) = self.link.take() {
            session.worker.pool.keep(self.pool, link, session.now());
        }
    }

    fn give_up(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        outcome: Outcome,
        why: Unfinished,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        session.settle(outcome);
        session.break_off();
        self.link = None;
        self.unfinished = Some(why);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How the endpoint broke a body.
fn kind(error: &hyper::Error) -> Failure {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput) => Failure::Malformed,
        _ => Failure::Reset,
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let this = &mut *self;
        match &mut this.source {
            Source::Ready(body) if body.is_empty() => Poll::Ready(None),
            Source::Ready(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
            Source::Live(live) => live.poll(cx, &this.session),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Ready(body) => body.is_empty(),
            Source::Live(live) => live.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Ready(body) => SizeHint::with_exact(body.len() as u64),
            Source::Live(live) => live.incoming.size_hint(),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Dropped before its end, the client is gone.
        self.session.settle(Outcome::Cancelled);
        self.session.end_call();
    }
}
