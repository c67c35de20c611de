//! reqwest: every request of a client goes through a pipeline, with a circuit for each host.
//!
//! `cargo run -p ecosystem --bin reqwest`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use axum::Router;
use axum::routing::get;
use ecosystem::{Failed, serve};
use fusebox::http::answer;
use fusebox::reqwest::{FuseMiddleware, cause};
use fusebox::retry::{Backoff, Config, Jitter};
use fusebox::{Error, Fuse, Registry};
use http::StatusCode;
use reqwest_middleware::ClientBuilder;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Fails its first call and every one from the fourth on.
async fn flaky() -> StatusCode {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    match SERVED.fetch_add(1, Relaxed) {
        1 | 2 => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let host = serve(Router::new().route("/", get(flaky).post(flaky))).await?;
    let url = format!("http://{host}/");

    let registry = Registry::default();
    let circuits = registry.clone();
    let protect = FuseMiddleware::by_host(100, move |host| {
        let backoff = Backoff { base: Duration::from_millis(5), jitter: Jitter::Full, ..Backoff::default() };
        Fuse::builder(host)
            // Shown, told and measured with the registry's others.
            .circuit(circuits.circuit(host))
            .timeout(Duration::from_secs(2))
            .deadline(Duration::from_secs(5))
            .retry(Config { max_attempts: 2, backoff, budget: None })
    })?;
    let client = ClientBuilder::new(reqwest::Client::new()).with(protect).build();

    let page = client.get(&url).send().await?;
    println!("GET: {}, at the second attempt", page.status());

    let paid = client.post(&url).header("Idempotency-Key", "7f3a").body("42").send().await?;
    println!("POST under a key: {}", paid.status());

    loop {
        match client.post(&url).body("42").send().await {
            Ok(failed) => println!("POST without a key: {}, not sent again", failed.status()),
            Err(error) => {
                let Some(refused @ Error::Rejected(rejected)) = cause(&error) else {
                    return Err(error.into());
                };
                println!("not called: {}", rejected.reason);
                println!("a server would pass it on as {}", answer(refused).status());
                break;
            }
        }
    }
    if let Some(circuit) = registry.find(&host.to_string()) {
        let totals = circuit.snapshot().totals;
        println!("{} good, {} failed, {} rejected", totals.success, totals.failure, totals.rejected);
    }
    Ok(())
}
