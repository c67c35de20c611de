//! A request's body as it comes from its client, kept while it may be needed again.
//!
//! The first attempt has it as it comes. What came is copied aside up to a limit, so that a further attempt can begin
//! with it and go on where the client is; a body longer than that has one attempt. Copied, because a part of a
//! network buffer would keep all of that buffer.

use crate::session::Session;
use crate::upload::ClientFault;
use bytes::Bytes;
use fusebox::Time;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body on its way in.
pub(crate) struct Intake {
    /// What comes from a client; nothing for a body that was kept whole.
    incoming: RefCell<Option<Incoming>>,
    /// All that has come so far, while it is kept.
    kept: RefCell<Vec<u8>>,
    /// The most that is kept; 0 once it is kept no more.
    room: Cell<usize>,
    ended: Cell<bool>,
    /// How many bytes the client has announced.
    length: Option<u64>,
    /// Some of it came and was not kept.
    lost: Cell<bool>,
}

impl Intake {
    /// Keeps up to `room` bytes.
    pub(crate) fn of(incoming: Incoming, room: usize) -> Self {
        let length = incoming.size_hint().exact();
        let fits = length.is_none_or(|length| length <= room as u64);
        Intake {
            length,
            lost: Cell::new(false),
            incoming: RefCell::new(Some(incoming)),
            kept: RefCell::default(),
            room: Cell::new(if fits { room } else { 0 }),
            ended: Cell::new(false),
        }
    }

    /// A body that is here already.
    pub(crate) fn here(body: &Bytes) -> Self {
        Intake {
            incoming: RefCell::default(),
            kept: RefCell::new(body.to_vec()),
            room: Cell::new(body.len()),
            ended: Cell::new(true),
            length: Some(body.len() as u64),
            lost: Cell::new(false),
        }
    }

    /// All of it, waited for; or why there is not: some of it is `gone`, or it is longer than `room`, or its client gives no more.
    pub(crate) async fn whole(&self, session: &Session, room: usize) -> Result<Bytes, &'static str> {
        if self.lost.get() {
            return Err("gone");
        }
        if self.length.is_some_and(|length| length > room as u64) {
            return Err("too_large");
        }
        self.room.set(self.room.get().max(room).max(1));
        let mut read = 0;
        poll_fn(|cx| {
            session.wake_at(Time::NEVER);
            loop {
                match self.poll(&mut read, cx, session) {
                    Poll::Ready(Some(Ok(_))) if !self.is_kept() => return Poll::Ready(Err("too_large")),
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err("gone")),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => {
                        let idle = session.worker.limits().body_idle_timeout;
                        let stalls_at =
                            session.upload.starved_since().map_or(Time::NEVER, |since| since + idle);
                        if session.now() >= stalls_at {
                            return Poll::Ready(Err("gone"));
                        }
                        session.wake_by(stalls_at);
                        return Poll::Pending;
                    }
                }
            }
        })
        .await?;
        Ok(Bytes::copy_from_slice(&self.kept.borrow()))
    }

    /// Whether another attempt can have it from its beginning.
    pub(crate) fn is_kept(&self) -> bool {
        self.room.get() > 0
    }

    /// Whether all of it is here.
    pub(crate) fn is_there(&self) -> bool {
        self.is_kept() && self.ended.get()
    }

    /// Its size, for one who has read so many bytes.
    pub(crate) fn size_hint(&self, read: u64) -> SizeHint {
        self.length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(read)))
    }

    /// Whether there is nothing more for one who has read so many bytes.
    pub(crate) fn is_over(&self, read: u64) -> bool {
        self.ended.get() && !self.is_behind(read)
    }

    fn is_behind(&self, read: u64) -> bool {
        self.is_kept() && read < self.kept.borrow().len() as u64
    }

    /// The next part for one who has read so many bytes.
    pub(crate) fn poll(
        &self,
        read: &mut u64,
        cx: &mut Context<'_>,
        session: &Session,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.is_behind(*read) {
            let kept = self.kept.borrow();
            let part = Bytes::copy_from_slice(&kept[usize::try_from(*read).unwrap_or(kept.len())..]);
            *read = kept.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        if self.ended.get() {
            return Poll::Ready(None);
        }
        let progress = &session.upload;
        let mut incoming = self.incoming.borrow_mut();
        let Some(incoming) = &mut *incoming else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *incoming).poll_frame(cx);
        if frame.is_pending() {
            progress.starves(session.now());
        }
        let frame = ready!(frame);
        progress.fed(session.now());
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(part))) => {
                if incoming.is_end_stream() {
                    self.end(session);
                }
                self.keep(&part);
                *read += part.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            // Trailers end the body, and they end here.
            Some(Ok(Err(_))) | None => {
                self.end(session);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                progress.fault.set(Some(ClientFault::Malformed));
                self.end(session);
                self.room.set(0);
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn end(&self, session: &Session) {
        self.ended.set(true);
        session.upload.finished();
    }

    fn keep(&self, part: &Bytes) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() + part.len() <= self.room.get() {
            kept.extend_from_slice(part);
        } else {
            self.room.set(0);
            self.lost.set(true);
            *kept = Vec::new();
        }
    }
}
