//! A whole pipeline in a Tower stack: the caller's limit, the policies, the connection pool's limit, the dependency.
//!
//! `cargo run -p fusebox --features tower --example tower_stack`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fusebox::breaker::{WaitInOpen, WaitStrategy};
use fusebox::event::Event;
use fusebox::retry::{Backoff, Config, Jitter};
use fusebox::tower::FuseLayer;
use fusebox::{Error, Failure, Fuse, Verdict, classify};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt};

#[derive(Clone, Copy, Debug)]
struct Request {
    method: &'static str,
}

#[derive(Debug)]
struct Response {
    status: u16,
}

/// The payment provider: well for two requests, then broken for three, then well again.
async fn provider(request: Request) -> Result<Response, Infallible> {
    static SERVED: AtomicU32 = AtomicU32::new(0);
    let status = if (2..5).contains(&SERVED.fetch_add(1, Relaxed)) { 503 } else { 200 };
    println!("    the provider answers {} with {status}", request.method);
    Ok(Response { status })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let by_status = |result: &Result<Response, Infallible>| match result {
        Ok(response) => classify::http(response.status, None),
        Err(_) => Verdict::failure(Failure::Connect),
    };
    let wait = Duration::from_millis(50);
    let backoff = Backoff { base: Duration::from_millis(5), jitter: Jitter::Full, ..Backoff::default() };
    let fuse = Fuse::builder("payments")
        .timeout(Duration::from_secs(1))
        .deadline(Duration::from_secs(3))
        .retry(Config { max_attempts: 2, backoff, budget: None })
        .breaker(fusebox::breaker::Config {
            consecutive_failures: Some(2),
            wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(wait), jitter: 0.0 },
            ..Default::default()
        })
        .classify(by_status)
        .build()?;
    let circuit = fuse.circuit().clone();
    circuit.on_event(|name, event| {
        if let Event::Transition(change) = event {
            println!("    {name}: {:?} -> {:?}, {}", change.from, change.to, change.cause);
        }
    });

    let mut payments = ServiceBuilder::new()
        .concurrency_limit(100)
        // Only what is safe to repeat is sent again.
        .layer(FuseLayer::new(fuse).replay(|request: &Request| request.method == "GET"))
        .concurrency_limit(10)
        .service_fn(provider);

    for method in ["GET", "POST", "GET", "POST", "POST", "GET", "GET", "GET"] {
        println!("{method}");
        match payments.ready().await?.call(Request { method }).await {
            Ok(response) => println!("    {} ({:?})", response.status, circuit.state()),
            Err(Error::Rejected(rejected)) => {
                println!("    not called: {rejected}");
                pause(rejected.retry_after.unwrap_or(wait)).await;
            }
            Err(error) => println!("    failed to {error}"),
        }
    }
    let totals = circuit.snapshot().totals;
    println!("{} good, {} failed, {} rejected", totals.success, totals.failure, totals.rejected);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a caller that obeys what the rejection says")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
