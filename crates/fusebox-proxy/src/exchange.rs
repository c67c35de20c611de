//! One attempt: a connection, the request out, the response's head in.

use crate::berth::Berth;
use crate::dial::NoConnection;
use crate::lane::Target;
use crate::link::Link;
use crate::session::Session;
use crate::source::Source;
use crate::upload::ClientFault;
use fusebox_core::Rejection;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response};
use hyper::body::{Body, Incoming};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

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
    /// The endpoint has as many connections as it may, and none came free.
    Full(Rejection),
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

/// Makes an attempt at `target`.
pub(crate) async fn exchange(session: &Rc<Session>, target: &Target, source: &Source) -> Result<Head, Fault> {
    let worker = &session.worker;
    let berth = match way(session, target, !source.is_replayable()).await? {
        Way::Dial(berth) => berth,
        Way::Over(mut link) => {
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
                    link.replace()
                }
            }
        }
    };
    let stream = dial(session, target).await?;
    let over = Link::over(stream, worker.limits().max_header_bytes, berth).await;
    let mut link = over.map_err(|error| fault(session, &error))?;
    let request = source.request(target, session).ok_or(Fault::Malformed)?;
    match link.ask(request).await {
        Ok(response) => head(response, link),
        Err(broken) => Err(fault(session, &broken.error)),
    }
}

/// How an attempt comes by its connection.
enum Way {
    /// One that rested.
    Over(Link),
    /// A new one, in this place where places are limited.
    Dial(Option<Berth>),
}

/// Waits, where connections are limited, until one comes back or there may be another. The attempt's clocks do not count
/// that: it is not the endpoint's time.
async fn way(session: &Session, target: &Target, carefully: bool) -> Result<Way, Fault> {
    let pool = &session.worker.pool;
    // What rests while others wait is theirs.
    if !pool.is_waited_for(target.pool)
        && let Some(link) = pool.take(target.pool, carefully)
    {
        return Ok(Way::Over(link));
    }
    let (Some(berths), Some(waiting)) = (pool.berths(target.pool), pool.wait(target.pool)) else {
        return Ok(Way::Dial(None));
    };
    let (mut asked, _excused) = (berths.ask(), session.queue());
    poll_fn(|cx| {
        // Nearer than a place, which would have to be dialled for.
        if asked.is_in_line()
            && let Some(link) = pool.take(target.pool, carefully)
        {
            return Poll::Ready(Ok(Way::Over(link)));
        }
        match asked.poll(cx) {
            Poll::Ready(came) => Poll::Ready(came.map(|berth| Way::Dial(Some(berth))).map_err(Fault::Full)),
            Poll::Pending => {
                waiting.wake(cx.waker());
                session.wake_by(asked.until());
                Poll::Pending
            }
        }
    })
    .await
}

async fn dial(session: &Session, target: &Target) -> Result<TcpStream, Fault> {
    let worker = &session.worker;
    let connect_by = worker.now() + worker.limits().connect_timeout;
    let mut dialled = pin!(worker.book.dial(&target.endpoint));
    poll_fn(|cx| match dialled.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(dialled.map_err(|why| match why {
            NoConnection::Unresolved => Fault::Unresolved,
            NoConnection::Refused => Fault::Refused,
            NoConnection::Exhausted => Fault::Exhausted,
        })),
        Poll::Pending if session.now() >= connect_by => Poll::Ready(Err(Fault::ConnectTimeout)),
        Poll::Pending => {
            session.wake_by(connect_by);
            Poll::Pending
        }
    })
    .await
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
