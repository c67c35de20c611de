//! Endpoints that break a response in its middle: the client must never take it for a whole one.

use crate::support::{Backend, Client, before, get};
use std::io::Write;
use std::net::TcpStream;

fn sever(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}

/// What a client of HTTP/1.1 sees, and what is counted, when the endpoint sends this and closes.
fn breaks_with(answer: &'static str) {
    let backend = Backend::closing_after(answer);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    let seen = client.get("/");
    assert_eq!((seen.status, seen.whole), (200, false), "{answer:?}: {seen:?}");
    assert!(client.is_closed());
    assert_eq!(backend.reached(), 1, "a response that has begun is never asked for again");
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_body_shorter_than_its_length_is_broken_off() {
    breaks_with("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
}

#[test]
fn a_bad_chunk_is_broken_off() {
    breaks_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXYZ\r\nhello\r\n");
}

#[test]
fn chunks_without_an_end_are_broken_off() {
    breaks_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

#[test]
fn a_reset_in_the_middle_is_broken_off() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        sever(stream);
        false
    });
    let proxy = before(backend.address, "");
    let seen = get(proxy.address, "/");
    assert!(!seen.whole);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_client_that_only_knows_closing_gets_a_reset() {
    let backend =
        Backend::closing_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    let seen = client.read();
    assert!(seen.reset && !seen.whole, "{seen:?}");
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_body_that_falls_silent_is_broken_off_and_counted() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    });
    let proxy = before(backend.address, "[limits]\nbody_idle_timeout = \"100ms\"");
    let seen = get(proxy.address, "/");
    assert_eq!((seen.status, seen.whole, seen.text().as_str()), (200, false, "hello"));
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_body_that_waits_for_the_rest_of_the_request_is_not_counted() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        while matches!(std::io::Read::read(stream, &mut [0]), Ok(1..)) {}
        false
    });
    let proxy = before(backend.address, "[limits]\nbody_idle_timeout = \"100ms\"");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 100\r\n\r\nhello");
    let seen = client.read();
    assert_eq!((seen.status, seen.whole), (200, false));
    proxy.settles_at((0, 0, 1, 0));
}

#[test]
fn a_body_that_trickles_past_the_deadline_is_broken_off() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        false
    });
    let proxy = before(backend.address, "deadline = \"200ms\"");
    let seen = get(proxy.address, "/");
    assert_eq!((seen.status, seen.whole), (200, false));
    assert!(!seen.body.is_empty());
    proxy.settles_at((0, 0, 0, 1));
}

#[test]
fn a_stream_without_end_is_a_success_once_it_has_lasted() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\nx\r\n").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        false
    });
    let proxy = before(backend.address, "[service.breaker]\nslow_call_duration = \"50ms\"");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    // Still streaming.
    proxy.settles_at((1, 0, 0, 0));
    drop(client);
    proxy.settles_at((1, 0, 0, 0));
}
