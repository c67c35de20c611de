//! One connection to an endpoint.
//!
//! The connection is not a task of its own: whoever uses it polls it. So an attempt that is dropped closes its
//! connection on the spot, nothing is left behind to leak, and a call costs no hand-over between tasks. While a
//! connection rests in the pool nobody polls it but the sweep, with a waker that wakes nobody.

use crate::berth::Berth;
use crate::socket::Socket;
use crate::upload::Upload;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

type Wire = Connection<TokioIo<Socket>, Upload>;

/// A connection to an endpoint.
pub(crate) struct Link(Box<Ends>);

/// Boxed, because a link changes hands often and is large.
struct Ends {
    sender: SendRequest<Upload>,
    /// `None` once it has ended.
    wire: Option<Wire>,
    /// After the wire: its place is free once it is closed.
    berth: Option<Berth>,
    /// Calls that waited for it, one after the other, while others did elsewhere.
    handed_on: u32,
}

/// Why no response head came.
pub(crate) struct Broken {
    pub(crate) error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<http::Request<Upload>>,
}

impl Link {
    pub(crate) async fn over(
        stream: TcpStream,
        largest_head: usize,
        berth: Option<Berth>,
    ) -> hyper::Result<Self> {
        let mut http = Builder::new();
        http.max_buf_size(largest_head);
        let (sender, wire) = http.handshake(TokioIo::new(Socket::of(stream))).await?;
        Ok(Link(Box::new(Ends { sender, wire: Some(wire), berth, handed_on: 0 })))
    }

    /// Sends `request` and waits for the head of the response.
    pub(crate) async fn ask(
        &mut self,
        request: http::Request<Upload>,
    ) -> Result<http::Response<Incoming>, Broken> {
        let Ends { sender, wire, .. } = &mut *self.0;
        let mut response = pin!(sender.try_send_request(request));
        let answer = poll_fn(|cx| {
            advance(wire, cx);
            // Only the connection, polled just now, can make this ready: no waker is needed.
            response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        });
        answer.await.map_err(|mut failed| {
            let unsent = failed.take_message();
            Broken { error: failed.into_error(), unsent }
        })
    }

    /// Moves bytes. Call before polling a body that comes over this connection.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) {
        advance(&mut self.0.wire, cx);
    }

    /// Closes it; its place is the next connection's.
    pub(crate) fn replace(mut self) -> Option<Berth> {
        self.0.berth.take()
    }

    /// Counts a call that it is handed on to.
    pub(crate) fn hands_on(&mut self) -> u32 {
        self.0.handed_on += 1;
        self.0.handed_on
    }

    /// Whether it can take another request.
    pub(crate) fn rest(&mut self) -> bool {
        // From here on nobody is to be woken by it.
        self.advance(&mut Context::from_waker(Waker::noop()));
        self.0.wire.is_some() && self.0.sender.is_ready()
    }
}

fn advance(wire: &mut Option<Wire>, cx: &mut Context<'_>) {
    // How it ended is told by the response or its body.
    if let Some(connection) = wire
        && let Poll::Ready(_) = Pin::new(connection).poll(cx)
    {
        *wire = None;
    }
}
