//! The admin listener: a thread and a runtime of its own, so that nothing asked of it can slow the data path.

mod patience;

use crate::alarm::pause;
use fusebox::admin::{Admin, Peer};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patient;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

/// Connections at once.
const MOST: usize = 128;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept, unless it reads a stream of events.
const LONGEST: Duration = Duration::from_secs(60);
/// How long accepting rests when the process has run out of something.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Answers on `listener` until the data path has stopped, which drops the other end of `until`.
pub(crate) fn run(admin: Admin, listener: TcpListener, mut until: watch::Receiver<()>) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            () = accept(admin, listener) => {}
            _ = until.changed() => {}
        }
        Ok(0)
    })
}

async fn accept(admin: Admin, listener: tokio::net::TcpListener) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, from)) = listener.accept().await else {
            pause(EXHAUSTED).await;
            continue;
        };
        let (admin, peer) = (admin.clone(), Peer::Address(from.ip()));
        tokio::spawn(async move {
            serve(admin, stream, peer).await;
            drop(place);
        });
    }
}

/// Serves one connection until it is over, its time is, or its reader does not read.
async fn serve(admin: Admin, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
    let streams = Arc::new(AtomicBool::new(false));
    let follows = streams.clone();
    let service = admin.service();
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (answer, follows) = (service.clone().call(request), follows.clone());
        async move {
            let answered = answer.await;
            let is_stream = answered.as_ref().is_ok_and(|response| response.body().is_stream());
            follows.fetch_or(is_stream, Relaxed);
            answered
        }
    });
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(Patient::new(stream)), answer));
    tokio::select! {
        _ = &mut connection => return,
        () = pause(LONGEST) => {}
    }
    if streams.load(Relaxed) {
        let _ = connection.await;
    }
}
