//! hyper: a client behind a whole pipeline, and a dependency that asks for time.
//!
//! `cargo run -p ecosystem --bin hyper`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use ecosystem::{Failed, serve};
use fusebox::http::{HttpClassify, Idempotent};
use fusebox::retry::Config;
use fusebox::tower::FuseLayer;
use fusebox::{Error, Failure, Fuse, Verdict};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt};

/// Asks for a second at its first call, and for an hour from the fourth on.
async fn busy() -> Result<&'static str, (StatusCode, [(&'static str, &'static str); 1])> {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    match SERVED.fetch_add(1, Relaxed) {
        0 => Err((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")])),
        1 | 2 => Ok("here you are"),
        _ => Err((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")])),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let host = serve(Router::new().route("/", get(busy).post(busy))).await?;

    let by_kind = |error: &ClientError| {
        Verdict::failure(if error.is_connect() { Failure::Connect } else { Failure::Reset })
    };
    let fuse = Fuse::builder("stock")
        .timeout(Duration::from_secs(2))
        .deadline(Duration::from_secs(10))
        .retry(Config::default())
        .classify(HttpClassify::new().errors(by_kind))
        .build()?;
    let circuit = fuse.circuit().clone();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut stock = ServiceBuilder::new().layer(FuseLayer::new(fuse).replay(Idempotent)).service(client);

    for method in [Method::GET, Method::POST, Method::GET] {
        let request = Request::builder()
            .method(&method)
            .uri(format!("http://{host}/"))
            .body(Full::new(Bytes::from_static(b"")))?;
        match stock.ready().await?.call(request).await {
            Ok(response) => {
                let (status, asked) = (response.status(), response.headers().get("retry-after").cloned());
                let body = response.into_body().collect().await?.to_bytes();
                println!("{method}: {status} {}", std::str::from_utf8(&body)?);
                if let Some(asked) = asked {
                    println!("    asks for {} s, which is longer than this client waits", asked.to_str()?);
                }
            }
            Err(Error::Rejected(rejected)) => println!("{method}: not called: {rejected}"),
            Err(error) => println!("{method}: failed to {error}"),
        }
    }
    let totals = circuit.snapshot().totals;
    println!("{} good, {} failed", totals.success, totals.failure);
    Ok(())
}
