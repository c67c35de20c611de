//! The admin listener: a thread and a runtime of its own, so that nothing asked of it can slow the data path.

mod patience;
mod tls;

pub(crate) use tls::Identity;

use crate::alarm::pause;
use crate::bind::{AdminListener, StartError};
use crate::config::AdminPlan;
use crate::journal::Journal;
use fusebox::admin::audit::Audit;
use fusebox::admin::{Access, Admin, Level, Peer};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patient;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinError;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

/// Connections at once.
const MOST: usize = 128;
/// Time for the head of a request, and for what TLS does before the first.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept, unless it reads a stream of events.
const LONGEST: Duration = Duration::from_secs(60);
/// An order may wait for a disk or for the workers: meanwhile others are answered, health checks first of all.
const THREADS: usize = 2;
/// How long an answer that is under way at the end of a connection's time may still take.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long accepting rests when the process has run out of something.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Who may ask, and what is written down of it.
pub(crate) fn guarded(admin: Admin, plan: &AdminPlan, journal: &Journal) -> Result<Admin, StartError> {
    if let Some(accepted) = plan.refusal() {
        return Err(StartError::Exposed { place: plan.listen.clone(), accepted });
    }
    let mut access = Access::default().local_is_trusted(plan.trust_loopback);
    for host in &plan.hosts {
        access = access.host(host);
    }
    if let Some(tokens) = &plan.tokens {
        access = access.tokens(tokens).map_err(StartError::Tokens)?;
    }
    let mut admin = admin.with_access(access);
    if let Some(path) = &plan.audit {
        let audit = Audit::open(path).map_err(StartError::Audit)?;
        if let Some(mended) = audit.mended() {
            journal.say(Level::Warn, format!("fusebox: audit: {mended}"));
        }
        admin = admin.with_audit(audit);
    }
    if let Some(path) = &plan.history {
        // A convenience, and no reason to serve nobody.
        if let Err(error) = admin.keep_history(path) {
            let path = path.display();
            journal.say(
                Level::Error,
                format!("fusebox: failed to keep histories in {path}: {error}; they end with the process"),
            );
        }
    }
    Ok(admin)
}

/// Answers on `listener` until the data path has stopped, which drops the other end of `until`. Speaks TLS where there is
/// an identity, as it is when somebody connects.
pub(crate) fn run(
    admin: Admin,
    (listener, identity): (AdminListener, watch::Receiver<Option<Identity>>),
    mut until: watch::Receiver<()>,
) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async move {
        // The socket's file is there as long as it is listened on.
        let (listener, _file) = match listener {
            AdminListener::Tcp(listener) => (Listener::Tcp(TcpListener::from_std(listener)?), None),
            #[cfg(unix)]
            AdminListener::Unix(listener, file) => {
                (Listener::Unix(UnixListener::from_std(listener)?), Some(file))
            }
        };
        tokio::select! {
            () = accept(admin, listener, identity) => {}
            _ = until.changed() => {}
        }
        Ok(0)
    })
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

async fn accept(admin: Admin, listener: Listener, identity: watch::Receiver<Option<Identity>>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match &listener {
            Listener::Tcp(listener) => match listener.accept().await {
                Ok((stream, from)) => {
                    let (peer, identity) = (Peer::Address(from.ip()), identity.borrow().clone());
                    tokio::spawn(greet(admin.clone(), stream, peer, identity, place));
                }
                Err(_) => pause(EXHAUSTED).await,
            },
            #[cfg(unix)]
            Listener::Unix(listener) => match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(greet(admin.clone(), stream, Peer::Unix, None, place));
                }
                Err(_) => pause(EXHAUSTED).await,
            },
        }
    }
}

/// Serves one connection, over TLS where there is an identity. Its place comes free at the end.
async fn greet(
    admin: Admin,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    identity: Option<Identity>,
    _place: OwnedSemaphorePermit,
) {
    let Some(identity) = identity else { return serve(admin, stream, peer).await };
    let greeting = TlsAcceptor::from(identity.config).accept(Patient::new(stream));
    let greeted = tokio::select! {
        greeted = greeting => greeted.ok(),
        () = pause(HEAD) => None,
    };
    if let Some(stream) = greeted {
        serve(admin, stream, peer).await;
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
            // A task of its own: what is ordered is carried out to its end, also for somebody who has hung up.
            let answered = tokio::spawn(answer).await?.unwrap_or_else(|never| match never {});
            follows.fetch_or(answered.body().is_stream(), Relaxed);
            Ok::<_, JoinError>(answered)
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
        return;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = pause(LAST_WORDS) => {}
    }
}
