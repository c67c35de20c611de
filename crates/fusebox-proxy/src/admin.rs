//! The admin listener: a thread and a runtime of its own, so that nothing asked of it can slow the data path.

use crate::alarm::pause;
use bytes::Bytes;
use fusebox::admin::{Admin, Answer, Asked};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Connections at once.
const MOST: usize = 64;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// A connection that is busy for longer than this has a reader who does not read.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest body of a request.
const LONGEST_BODY: usize = 64 << 10;
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
        let Ok((stream, _)) = listener.accept().await else {
            pause(EXHAUSTED).await;
            continue;
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let admin = admin.clone();
                async move { Ok::<_, Infallible>(answer(&admin, request).await) }
            });
            let mut http = Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD);
            tokio::select! {
                _ = http.serve_connection(TokioIo::new(stream), service) => {}
                () = pause(LONGEST) => {}
            }
            drop(place);
        });
    }
}

async fn answer(admin: &Admin, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await.map(Collected::to_bytes) else {
        return too_long();
    };
    let text = |name: HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let asked = Asked {
        method: parts.method.as_str(),
        target,
        host: text(HOST),
        origin: text(ORIGIN),
        content_type: text(CONTENT_TYPE),
        body: &body,
    };
    let Answer { status, content_type, body, allow } = admin.respond(asked).await;
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

fn too_long() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("the body is broken, or longer than 64 KiB\n"));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}
