//! A caller that keeps its connections.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use thiserror::Error;

/// Makes HTTP calls. A cheap handle: clones share the connections. It has no timeout of its own.
#[derive(Clone, Debug)]
pub struct Client(Pool<HttpConnector, Full<Bytes>>);

/// Why a call brought nothing that can be used. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The address and path make no URL.
    #[error("call it: {0}")]
    Address(hyper::http::Error),
    /// No connection, or none that lasted until the answer.
    #[error("reach it: {0}")]
    Unreachable(PoolError),
    /// The answer broke off.
    #[error("read its answer: {0}")]
    Broken(hyper::Error),
    /// The server says that it failed.
    #[error("have it done: it answered {0}")]
    Failed(StatusCode),
}

impl Client {
    /// A caller without any connection yet.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Client(Pool::builder(TokioExecutor::new()).build(connector))
    }

    /// GETs `path`, which begins with a slash, and reads the whole answer.
    ///
    /// # Errors
    ///
    /// [`CallError`]; a status of the 5xx class is one.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it hangs up.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Result<Response<Bytes>, CallError> {
        let request = Request::get(url(address, path)?).body(Full::default()).map_err(CallError::Address)?;
        self.send(request).await
    }

    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Self::get).
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, CallError> {
        let response = self.0.request(request).await.map_err(CallError::Unreachable)?;
        if response.status().is_server_error() {
            return Err(CallError::Failed(response.status()));
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(CallError::Broken)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

/// Where `path` is at `address`.
///
/// # Errors
///
/// [`CallError::Address`] for a path that no URL can have.
pub fn url(address: SocketAddr, path: &str) -> Result<Uri, CallError> {
    Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query(path)
        .build()
        .map_err(CallError::Address)
}
