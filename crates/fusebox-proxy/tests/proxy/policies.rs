//! Quotas, places, priorities and deadlines, as a client and the endpoint see them.

use crate::support::{Answer, Backend, Client, before, eventually, get, run, service};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};

/// Holds answers back until told.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("not poisoned") = true;
        self.0.1.notify_all();
    }

    fn answer(&self, stream: &mut TcpStream) -> bool {
        let (open, changed) = &*self.0;
        let mut open = open.lock().expect("not poisoned");
        while !*open {
            open = changed.wait(open).expect("not poisoned");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").is_ok()
    }
}

fn held() -> (Backend, Gate) {
    let gate = Gate::default();
    let answers = gate.clone();
    (Backend::start(move |stream, _| answers.answer(stream)), gate)
}

fn refused(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(
        (answer.status, answer.header("fusebox-outcome")),
        (status, Some("rejected")),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("fusebox-reason"), Some(reason));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

fn asks(client: &mut Client, header: &str) {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n"));
}

#[test]
fn a_call_over_the_quota_is_told_to_come_back_and_reaches_nobody() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "rate_limiter = { permits = 1, per = \"1h\", burst = 2 }");
    let mut client = Client::connect(proxy.address);
    assert_eq!([client.get("/").status, client.get("/").status], [200, 200]);
    let answer = client.get("/");
    refused(&answer, 429, "rate_limited");
    let after = answer.header("retry-after").and_then(|after| after.parse::<u64>().ok()).expect("seconds");
    assert!((3_500..=3_600).contains(&after), "{after}");
    assert_eq!(backend.reached(), 2);
    proxy.settles_at((2, 0, 0, 0));
}

#[test]
fn each_tenant_has_a_quota_of_its_own() {
    let backend = Backend::status(200);
    let more = "rate_limiter = { permits = 1, per = \"1h\", burst = 1, key = \"header:x-tenant\" }";
    let proxy = before(backend.address, more);
    let mut client = Client::connect(proxy.address);
    let mut status = |tenant: &str| {
        asks(&mut client, &format!("X-Tenant: {tenant}"));
        client.read().status
    };
    assert_eq!([status("a"), status("b"), status("a"), status("b")], [200, 200, 429, 429]);
}

#[test]
fn a_call_waits_for_a_place_and_one_too_many_is_refused() {
    let (backend, gate) = held();
    let proxy =
        before(backend.address, "bulkhead = { max_concurrent = 1, max_queue = 1, max_wait = \"1m\" }");
    let mut first = Client::connect(proxy.address);
    asks(&mut first, "X-N: 1");
    eventually("the first is made", || if backend.reached() == 1 { Ok(()) } else { Err("not yet".into()) });
    // Of three that come later one waits, whichever it is.
    let (tell, told) = std::sync::mpsc::channel();
    for n in 2..5 {
        let (tell, mut client) = (tell.clone(), Client::connect(proxy.address));
        asks(&mut client, &format!("X-N: {n}"));
        std::thread::spawn(move || tell.send(client.read()));
    }
    for _ in 0..2 {
        refused(&told.recv().expect("an answer"), 503, "bulkhead_full");
    }
    gate.open();
    assert_eq!([first.read().status, told.recv().expect("an answer").status], [200, 200]);
    assert_eq!(backend.reached(), 2);
}

#[test]
fn a_client_that_goes_away_in_the_queue_leaves_its_turn() {
    let (backend, gate) = held();
    let proxy =
        before(backend.address, "bulkhead = { max_concurrent = 1, max_queue = 5, max_wait = \"1m\" }");
    let mut first = Client::connect(proxy.address);
    asks(&mut first, "X-N: 1");
    eventually("the first is made", || if backend.reached() == 1 { Ok(()) } else { Err("not yet".into()) });
    let mut gone = Client::connect(proxy.address);
    asks(&mut gone, "X-N: 2");
    drop(gone);
    let mut last = Client::connect(proxy.address);
    asks(&mut last, "X-N: 3");
    gate.open();
    assert_eq!([first.read().status, last.read().status], [200, 200]);
    assert_eq!(get(proxy.address, "/").status, 200, "the place is whole");
}

#[test]
fn what_matters_less_is_shed_first() {
    let (backend, gate) = held();
    let more = "bulkhead = { max_concurrent = 2, max_queue = 0, shares = { low = 0.5 } }\n\
        priority = { header = \"x-priority\" }";
    let proxy = before(backend.address, more);
    let mut clients = [(); 2].map(|()| Client::connect(proxy.address));
    asks(&mut clients[0], "X-Priority: low");
    eventually("the first is made", || if backend.reached() == 1 { Ok(()) } else { Err("not yet".into()) });
    let mut shed = Client::connect(proxy.address);
    asks(&mut shed, "X-Priority: low");
    refused(&shed.read(), 503, "shed");
    asks(&mut clients[1], "X-Priority: critical");
    gate.open();
    assert_eq!(clients.map(|mut client| client.read().status), [200, 200]);
}

#[test]
fn the_bytes_of_bodies_under_way_are_bounded() {
    let backend = Backend::status(200);
    let proxy =
        before(backend.address, "bulkhead = { max_concurrent = 10, counts = \"bytes\", max_queue = 0 }");
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.post("/", "12345").status, 200);
    assert_eq!(client.post("/", "1234567890").status, 200);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_callers_deadline_is_kept_and_told_on_with_what_is_left() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "deadline = \"10s\"");
    let mut client = Client::connect(proxy.address);
    asks(&mut client, "fusebox-deadline-ms: 2000\r\ngrpc-timeout: 5S");
    assert_eq!(client.read().status, 200);
    client.get("/");
    asks(&mut client, "fusebox-deadline-ms: soon");
    assert_eq!(client.read().status, 200, "what cannot be read is no deadline");
    let requests = backend.requests();
    let told = |i: usize| requests[i].values("fusebox-deadline-ms")[0].parse::<u64>().expect("milliseconds");
    assert!((1_000..=2_000).contains(&told(0)), "{}", told(0));
    assert!((9_000..=10_000).contains(&told(1)), "{}", told(1));
    assert!((9_000..=10_000).contains(&told(2)), "{}", told(2));
    assert_ne!(requests[0].values("grpc-timeout"), ["5S"], "two seconds are left at the most");
    assert!(requests[1].values("grpc-timeout").is_empty(), "nobody spoke of it");
}

#[test]
fn a_callers_short_deadline_ends_the_call_and_says_nothing_of_the_endpoint() {
    let (backend, gate) = held();
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    asks(&mut client, "fusebox-deadline-ms: 50");
    let answer = client.read();
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (504, Some("deadline_exceeded")));
    gate.open();
    assert_eq!(proxy.counts().1, 0, "50 ms say nothing against it");
}

#[test]
fn another_proxys_quota_is_no_failure() {
    let backend = Backend::status(200);
    let inner = before(backend.address, "rate_limiter = { permits = 1, per = \"1h\", burst = 1 }");
    let outer = before(inner.address, "");
    let mut client = Client::connect(outer.address);
    assert_eq!((client.get("/").status, client.get("/").status), (200, 429));
    assert_eq!(outer.counts().1, 0);
}

#[test]
fn one_layer_of_a_chain_retries() {
    let backend = Backend::status(500);
    let retry = "retry = { max_attempts = 3, budget = false, backoff = { base = \"1ms\", max = \"2ms\" } }";
    let inner = before(backend.address, retry);
    let outer = before(inner.address, retry);
    let answer = get(outer.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-retry")), (500, Some("no")));
    assert_eq!(backend.reached(), 3, "not nine");
}

#[test]
fn an_endpoint_that_says_no_is_not_asked_again() {
    let backend = Backend::answering("HTTP/1.1 503 Busy\r\nfusebox-retry: no\r\nContent-Length: 0\r\n\r\n");
    let proxy = before(backend.address, "retry = { max_attempts = 3, budget = false }");
    assert_eq!((get(proxy.address, "/").status, backend.reached()), (503, 1));
}

#[test]
fn a_body_longer_than_all_bodies_together_may_be_is_refused_at_once() {
    let backend = Backend::status(200);
    let config = "bulkhead = { counts = \"bytes\", max_concurrent = 1000 }";
    let proxy = run(&service(&[backend.address], config));
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\nx");
    let refused = client.read();
    assert_eq!((refused.status, refused.header("content-type")), (413, Some("application/problem+json")));
    assert_eq!(Client::connect(proxy.address).post("/", "short").status, 200);
}
