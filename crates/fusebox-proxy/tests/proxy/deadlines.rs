//! A call's deadline, from hop to hop.

use crate::support::{Backend, Client, before};
use std::io::Read;

fn ask(proxy: &crate::support::Running, headers: &str) -> crate::support::Answer {
    let mut client = Client::connect(proxy.address);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    client.read()
}

#[test]
fn what_is_left_goes_on_and_is_less_at_each_attempt() {
    let backend = Backend::status(500);
    let inner = before(
        backend.address,
        "[service.retry]\nbudget = false\nbackoff = { base = \"100ms\", max = \"100ms\", jitter = \"none\" }",
    );
    let outer = before(inner.address, "");
    assert_eq!(ask(&outer, "fusebox-deadline-ms: 20000\r\n").status, 500);
    let requests = backend.requests();
    let left: Vec<u64> =
        requests.iter().map(|r| r.values("fusebox-deadline-ms")[0].parse().expect("a number")).collect();
    assert!(left.len() == 2 && left[0] <= 20_000 && left[1] <= left[0] - 90, "{left:?}");
    assert!(requests[0].values("grpc-timeout").is_empty(), "nobody speaks gRPC here");
}

#[test]
fn grpc_is_told_in_its_own_words() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "deadline = \"20s\"");
    assert_eq!(ask(&proxy, "grpc-timeout: 90S\r\n").status, 200);
    assert_eq!(ask(&proxy, "content-type: application/grpc+proto\r\n").status, 200);
    for request in backend.requests() {
        let told = request.values("grpc-timeout").remove(0).to_owned();
        let micros: u64 = told.strip_suffix('u').expect("the finest unit").parse().expect("a number");
        assert!((10_000_000..=20_000_000).contains(&micros), "the shorter one: {told}");
    }
}

#[test]
fn without_a_deadline_nothing_is_told() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    assert_eq!(ask(&proxy, "").status, 200);
    assert!(backend.requests()[0].values("fusebox-deadline-ms").is_empty());
}

#[test]
fn the_callers_deadline_ends_the_call_and_blames_nobody() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.read(&mut [0]);
        false
    });
    let proxy = before(backend.address, "");
    let answer = ask(&proxy, "fusebox-deadline-ms: 50\r\n");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (504, Some("deadline_exceeded")));
    proxy.settles_at((0, 0, 0, 1));
}

#[test]
fn a_call_without_any_time_is_not_made() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    let answer = ask(&proxy, "fusebox-deadline-ms: 0\r\n");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (504, Some("deadline_exceeded")));
    assert_eq!(backend.reached(), 0);
}
