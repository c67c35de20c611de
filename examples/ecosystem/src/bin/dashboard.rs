//! The dashboard, the admin interface and the metrics of a service that uses the library, in the service's own server.
//!
//! `cargo run -p ecosystem --bin dashboard`, or with `-- serve` to look at it until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use ecosystem::Failed;
use fusebox::admin::{Admin, Peer};
use fusebox::{Fuse, Registry, limiter};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let registry = Registry::default();
    let orders = Fuse::builder("orders")
        .circuit(registry.circuit("orders"))
        .rate_limiter(limiter::Config { permits: 200, ..Default::default() })
        .build()?;

    // These three lines are all that it takes.
    let admin = Admin::new(registry).pipeline("orders", orders.pipeline());
    admin.ready(true);
    let router =
        Router::new().route("/", get(async || "the service")).nest_service("/fusebox", admin.service());

    // Who looks is let in by any server. Who wants to change something must be on this machine, which only the server can tell, or have
    // a token: see `Access`.
    let router = router.layer(from_fn(
        async |ConnectInfo(from): ConnectInfo<SocketAddr>,
               mut request: axum::extract::Request,
               next: Next| {
            request.extensions_mut().insert(Peer::Address(from.ip()));
            next.run(request).await
        },
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = format!("http://{}/fusebox", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    for _ in 0..12 {
        let _ = orders.run(async || Err::<(), _>(std::io::Error::other("the database is down"))).await;
    }
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("{at}/");
        return Ok(server.await??);
    }

    let client = reqwest::Client::new();
    let read = async |path: &str| client.get(format!("{at}{path}")).send().await?.text().await;
    let circuit: Value = serde_json::from_str(&read("/circuits/orders").await?)?;
    println!("{}: {}", circuit["state"], circuit["reason"]);
    let metrics = read("/metrics").await?;
    println!(
        "{}",
        metrics.lines().find(|line| line.starts_with("circuit_breaker_state{")).unwrap_or("no metric")
    );
    let page = client.get(format!("{at}/")).header("accept", "text/html").send().await?;
    println!("the page is {}", page.headers()["content-type"].to_str()?);

    let order = json!({ "action": "force_closed", "actor": "ann", "reason": "the database is back" });
    let request = client.post(format!("{at}/overrides/orders")).header("content-type", "application/json");
    let told: Value = serde_json::from_str(&request.body(order.to_string()).send().await?.text().await?)?;
    println!("{} → {}", told["before"]["state"], told["after"]["state"]);
    Ok(())
}
