//! A small real HTTP server whose health is set by a dial.

use super::schedule::Fault;
use crate::clock;
use fusebox::Clock;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A healthy answer takes this long.
const USUAL: Duration = Duration::from_millis(5);
/// A slow one takes this long; the schedule says so too.
const SLOW: Duration = Duration::from_millis(1500);
/// Before an accept that failed is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// A server on a free port of this machine. A cheap handle: clones share the server.
#[derive(Clone, Debug)]
pub(super) struct Backend(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    address: SocketAddr,
    body: &'static str,
    fault: watch::Sender<Fault>,
    calls: AtomicU64,
    while_failing: AtomicU64,
    clock: Clock,
}

/// The backend is down: the connection ends without an answer.
#[derive(Debug, Error)]
#[error("the backend is down")]
struct Gone;

impl Backend {
    /// Starts a healthy server that answers with `body`.
    pub(super) async fn start(name: &'static str, body: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let backend = Backend(Arc::new(Shared {
            name,
            address: listener.local_addr()?,
            body,
            fault: watch::Sender::new(Fault::Nothing),
            calls: AtomicU64::new(0),
            while_failing: AtomicU64::new(0),
            clock: clock::precise(),
        }));
        tokio::spawn(backend.clone().serve(listener));
        Ok(backend)
    }

    /// What it is called in the demo.
    pub(super) fn name(&self) -> &'static str {
        self.0.name
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// What is wrong with it now.
    pub(super) fn fault(&self) -> Fault {
        *self.0.fault.borrow()
    }

    /// Sets the dial.
    pub(super) fn suffer(&self, fault: Fault) {
        self.0.fault.send_replace(fault);
    }

    /// Calls that have reached it, and how many of them while it was failing.
    pub(super) fn reached(&self) -> (u64, u64) {
        (self.0.calls.load(Relaxed), self.0.while_failing.load(Relaxed))
    }

    /// Begins to count anew.
    pub(super) fn forget(&self) {
        self.0.calls.store(0, Relaxed);
        self.0.while_failing.store(0, Relaxed);
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                // A connection to a backend that is down is a call that reached it in vain.
                Ok(_) if self.fault() == Fault::Down => _ = self.count(),
                Ok((stream, _)) => _ = tokio::spawn(self.clone().converse(stream)),
                Err(_) => clock::until(&self.0.clock, self.0.clock.now() + PAUSE).await,
            }
        }
    }

    /// Answers on one connection until its end, or until the backend goes down.
    async fn converse(self, stream: TcpStream) {
        let mut fault = self.0.fault.subscribe();
        let service = service_fn(|_: Request<_>| self.answer());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            _ = connection => {}
            _ = fault.wait_for(|fault| *fault == Fault::Down) => {}
        }
    }

    async fn answer(&self) -> Result<Response<Full<Bytes>>, Gone> {
        let call = self.count();
        let (wait, status) = match self.fault() {
            Fault::Nothing => (USUAL, StatusCode::OK),
            Fault::Slow => (SLOW, StatusCode::OK),
            Fault::Errors if call.is_multiple_of(2) => (USUAL, StatusCode::INTERNAL_SERVER_ERROR),
            Fault::Errors => (USUAL, StatusCode::OK),
            Fault::Down => return Err(Gone),
        };
        clock::until(&self.0.clock, self.0.clock.now() + wait).await;
        let body = if status.is_success() { self.0.body } else { "{\"error\": \"out of order\"}" };
        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
        *response.status_mut() = status;
        Ok(response)
    }

    fn count(&self) -> u64 {
        if self.fault() != Fault::Nothing {
            self.0.while_failing.fetch_add(1, Relaxed);
        }
        self.0.calls.fetch_add(1, Relaxed)
    }
}
