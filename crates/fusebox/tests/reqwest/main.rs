//! The middleware for reqwest, before real servers on loopback.

mod server;

use fusebox::http::RETRY;
use fusebox::reqwest::{FuseMiddleware, cause};
use fusebox::retry::{Backoff, Config, Jitter};
use fusebox::{Error, Fuse, FuseBuilder, Reason};
use http::Extensions;
use reqwest::{Body, Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use server::{SILENCE, Server};
use std::time::Duration;

const GOOD: &str = "200 OK";
const BAD: &str = "500 Internal Server Error";

/// Three attempts with next to no wait between them.
fn thrice(name: &str) -> FuseBuilder {
    let backoff = Backoff { base: Duration::from_millis(1), jitter: Jitter::None, ..Backoff::default() };
    Fuse::builder(name).retry(Config { max_attempts: 3, backoff, budget: None })
}

fn client(fuse: FuseBuilder) -> ClientWithMiddleware {
    let protect = FuseMiddleware::new(fuse).expect("a pipeline that works");
    ClientBuilder::new(Client::new()).with(protect).build()
}

#[tokio::test]
async fn a_get_is_sent_again_until_it_is_answered() {
    let server = Server::start(&[BAD, BAD, GOOD]).await;
    let answer = client(thrice("a")).get(server.url()).send().await.expect("answered");
    assert_eq!((answer.status().as_u16(), server.seen().len()), (200, 3));
}

#[tokio::test]
async fn a_post_is_sent_again_only_under_a_key_and_then_whole() {
    let server = Server::start(&[BAD, BAD, GOOD]).await;
    let client = client(thrice("a"));
    let post = || client.post(server.url()).body("pay 42!");
    let answer = post().send().await.expect("answered");
    assert_eq!((answer.status().as_u16(), server.seen().len()), (500, 1), "the last answer stands");

    let answer = post().header("Idempotency-Key", "7f3a").send().await.expect("answered");
    assert_eq!((answer.status().as_u16(), server.seen().len()), (200, 3));
    assert!(server.seen().iter().all(|request| request.ends_with("\r\n\r\npay 42!")), "{:?}", server.seen());
}

#[tokio::test]
async fn a_stream_is_sent_once_whatever_the_method() {
    let server = Server::start(&[BAD]).await;
    let body = Body::wrap(Body::from("once!"));
    let answer = client(thrice("a")).put(server.url()).body(body).send().await.expect("answered");
    assert_eq!((answer.status().as_u16(), server.seen().len()), (500, 1));
}

#[tokio::test]
async fn who_names_a_long_wait_or_says_no_is_not_asked_again() {
    for script in [
        &["503 Busy\r\nretry-after: 3600"],
        &["429 Busy\r\nretry-after: 3600"],
        &["500 Busy\r\nfusebox-retry: no"],
    ] {
        let server = Server::start(script).await;
        let answer = client(thrice("a")).get(server.url()).send().await.expect("answered");
        assert!(answer.headers().contains_key(RETRY) || answer.headers().contains_key("retry-after"));
        assert_eq!(server.seen().len(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_is_late_is_given_up_and_a_post_is_not_sent_again() {
    let server = Server::start(&[SILENCE]).await;
    let client = client(thrice("a").timeout(Duration::from_millis(250)));
    let late = client.post(server.url()).body("pay 42!").send().await.expect_err("no answer");
    assert_eq!(cause(&late), Some(&Error::TimedOut));
    assert_eq!(server.seen().len(), 1);
    let late = client.get(server.url()).send().await.expect_err("no answer");
    assert_eq!(cause(&late), Some(&Error::TimedOut));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn each_host_has_a_circuit_of_its_own() {
    let (bad, good) = (Server::start(&[BAD]).await, Server::start(&[GOOD]).await);
    let protect = FuseMiddleware::by_host(10, |host| Fuse::builder(host)).expect("works");
    let client = ClientBuilder::new(Client::new()).with(protect).build();
    for _ in 0..10 {
        assert_eq!(client.get(bad.url()).send().await.expect("answered").status().as_u16(), 500);
    }
    let refused = client.get(bad.url()).send().await.expect_err("open");
    let Some(Error::Rejected(rejected)) = cause(&refused) else { panic!("{refused}") };
    assert_eq!((&*rejected.circuit, rejected.reason), (&*bad.address.to_string(), Reason::Open));
    assert_eq!(bad.seen().len(), 10, "a refused call does not reach the host");
    assert_eq!(client.get(good.url()).send().await.expect("answered").status().as_u16(), 200);
}

#[tokio::test]
async fn hosts_beyond_the_bound_share_a_circuit() {
    let (first, second) = (Server::start(&[GOOD]).await, Server::start(&[BAD]).await);
    let protect = FuseMiddleware::by_host(1, |host| Fuse::builder(host)).expect("works");
    let client = ClientBuilder::new(Client::new()).with(protect).build();
    client.get(first.url()).send().await.expect("answered");
    for _ in 0..10 {
        client.get(second.url()).send().await.expect("answered");
    }
    let refused = client.get(second.url()).send().await.expect_err("open");
    let Some(Error::Rejected(rejected)) = cause(&refused) else { panic!("{refused}") };
    assert_eq!(&*rejected.circuit, "other");
    client.get(first.url()).send().await.expect("its own circuit is closed");
}

#[tokio::test]
async fn a_host_that_takes_no_connection_opens_its_circuit_and_the_clients_error_is_kept() {
    let closed = Server::start(&[GOOD]).await.address.ip();
    // Port 9 (discard) has no listener on loopback; nothing is sent anywhere else.
    let url = format!("http://{closed}:9/");
    let client = client(Fuse::builder("gone"));
    for _ in 0..10 {
        let error = client.get(&url).send().await.expect_err("nobody listens");
        assert!(error.is_connect() && cause(&error).is_none(), "{error:?}");
    }
    let refused = client.get(&url).send().await.expect_err("open");
    let Some(Error::Rejected(rejected)) = cause(&refused) else { panic!("{refused}") };
    assert!(rejected.to_string().contains("no connection"), "{rejected}");
}

#[tokio::test]
async fn a_pipeline_that_cannot_work_is_refused_when_it_is_built() {
    let zero = || Fuse::builder("a").timeout(Duration::ZERO);
    assert!(FuseMiddleware::new(zero()).is_err());
    assert!(FuseMiddleware::by_host(1, move |_| zero()).is_err());
}

#[derive(Clone, Debug, PartialEq)]
struct Attempts(u32);

/// Counts what it sees, in the extensions.
struct Counting;

#[async_trait::async_trait]
impl Middleware for Counting {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let before = extensions.get().map_or(0, |Attempts(before)| *before);
        extensions.insert(Attempts(before + 1));
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn middleware_inside_sees_each_attempt_and_its_extensions_come_back() {
    let server = Server::start(&[BAD, BAD, GOOD]).await;
    let protect = FuseMiddleware::new(thrice("a")).expect("works");
    let client = ClientBuilder::new(Client::new()).with(protect).with(Counting).build();
    let mut extensions = Extensions::new();
    let request = client.get(server.url()).build().expect("a request");
    client.execute_with_extensions(request, &mut extensions).await.expect("answered");
    assert_eq!(extensions.get(), Some(&Attempts(3)));
}

#[tokio::test]
async fn a_refusal_further_in_is_no_evidence() {
    let server = Server::start(&[BAD]).await;
    let outer = Fuse::builder("outer").classify(fusebox::reqwest::Responses).build().expect("works");
    let circuit = outer.circuit().clone();
    let inner = FuseMiddleware::new(Fuse::builder("inner")).expect("works");
    let client = ClientBuilder::new(Client::new()).with(FuseMiddleware::with_fuse(outer)).with(inner).build();
    circuit.hold(fusebox::breaker::Mode::ForcedClosed, "test", "to see the inner one refuse");
    for _ in 0..12 {
        let _ = client.get(server.url()).send().await;
    }
    let totals = circuit.snapshot().totals;
    assert_eq!((totals.failure, totals.ignored, server.seen().len()), (10, 2, 10));
}
