//! axum: a router that sheds what it could not serve, with the problem told as RFC 9457 has it.
//!
//! `cargo run -p ecosystem --bin axum`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use ecosystem::{Failed, serve};
use fusebox::http::{HttpClassify, answer};
use fusebox::tower::CircuitBreakerLayer;
use fusebox::{CircuitBreaker, Error};
use http::StatusCode;
use std::convert::Infallible;
use tower::ServiceBuilder;

/// A report that needs a database, which is down.
async fn report() -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let reports =
        CircuitBreaker::builder("reports").with(|config| config.consecutive_failures = Some(3)).build()?;
    let shed = ServiceBuilder::new()
        // A refusal becomes a response: 503, `Retry-After`, `application/problem+json`.
        .layer(HandleErrorLayer::new(async |refused: Error<Infallible>| answer(&refused)))
        .layer(CircuitBreakerLayer::new(reports.clone()).classify(HttpClassify::new()));
    let router =
        Router::new().route("/report", get(report).layer(shed)).route("/health", get(async || "well"));
    let host = serve(router).await?;

    let client = reqwest::Client::new();
    for _ in 0..4 {
        let response = client.get(format!("http://{host}/report")).send().await?;
        println!("GET /report: {}", response.status());
        for name in ["content-type", "fusebox-outcome", "fusebox-reason", "fusebox-retry", "retry-after"] {
            if let Some(value) = response.headers().get(name) {
                println!("    {name}: {}", value.to_str()?);
            }
        }
        println!("    {}", response.text().await?);
    }
    let health = client.get(format!("http://{host}/health")).send().await?;
    println!("GET /health: {}, for only the route is behind the circuit", health.status());
    let totals = reports.snapshot().totals;
    println!("{} failed, {} rejected", totals.failure, totals.rejected);
    Ok(())
}
