//! A connection to an admin interface: plain, encrypted, or to a socket in the file system.

use super::address::{Address, Place};
use super::tls;
use http_body_util::Full;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends one request on a connection of its own. The text says why there is no answer.
pub(super) async fn send(
    address: &Address,
    tls: Option<&Arc<ClientConfig>>,
    request: Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, String> {
    match &address.place {
        Place::Unix(path) => unix(path, request).await,
        Place::Tcp { host, port, .. } => {
            let stream = in_time(TcpStream::connect((host.as_str(), *port))).await?;
            // Small questions should not wait for more to say.
            let _ = stream.set_nodelay(true);
            match tls {
                None => ask(TokioIo::new(stream), request).await,
                Some(config) => {
                    let stream = in_time(tls::wrap(config.clone(), host, stream)).await?;
                    ask(TokioIo::new(stream), request).await
                }
            }
        }
    }
}

#[cfg(unix)]
async fn unix(
    path: &std::path::Path,
    request: Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, String> {
    ask(TokioIo::new(in_time(tokio::net::UnixStream::connect(path)).await?), request).await
}

#[cfg(not(unix))]
async fn unix(_: &std::path::Path, _: Request<Full<Bytes>>) -> Result<hyper::Response<Incoming>, String> {
    Err("this system has no Unix sockets".into())
}

async fn ask(
    stream: impl Read + Write + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, String> {
    let (mut sender, connection) = http1::handshake(stream).await.map_err(cause)?;
    // It ends with the answer; what breaks on the way is seen by whoever reads that.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(cause)
}

async fn in_time<T, E: Display>(attempt: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(made) => made.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {} s", PATIENCE.as_secs())),
    }
}

/// What lies at the bottom of an error.
pub(super) fn cause(error: hyper::Error) -> String {
    let mut why: &dyn Error = &error;
    while let Some(cause) = why.source() {
        why = cause;
    }
    why.to_string()
}
