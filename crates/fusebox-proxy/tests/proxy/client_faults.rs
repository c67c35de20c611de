//! What clients do wrong: never counted against a dependency.

use crate::support::{Backend, Client, Running, before, eventually, get};
use std::io::{Read, Write};

/// Reads the rest of the request until the proxy closes.
fn swallowing() -> Backend {
    Backend::start(|stream, _| {
        let _ = std::io::copy(stream, &mut std::io::sink());
        false
    })
}

#[test]
fn a_bad_chunk_from_the_client_is_400_and_never_counted() {
    let bodies = [
        "XYZ\r\nhello\r\n",
        "-1\r\n",
        "5\r\nhelloX",
        "FFFFFFFFFFFFFFFFFF\r\n",
        "5 5\r\nhello\r\n",
        "\r\n\r\n",
    ];
    for body in bodies {
        let backend = swallowing();
        let proxy = before(backend.address, "");
        let mut client = Client::connect(proxy.address);
        client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(body);
        let answer = client.read();
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{body:?}");
        assert!(client.is_closed());
        proxy.settles_at((0, 0, 1, 0));
        assert!(backend.reached() <= 1, "never attempted again");
    }
}

#[test]
fn a_hundred_bad_bodies_leave_the_circuit_closed() {
    let backend = swallowing();
    let proxy = before(backend.address, "");
    for _ in 0..100 {
        let mut client = Client::connect(proxy.address);
        client.send(
            "POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n",
        );
        assert_eq!(client.read().status, 400);
    }
    proxy.settles_at((0, 0, 100, 0));
    assert_eq!(proxy.state(), fusebox::breaker::State::Closed);
}

#[test]
fn a_client_that_leaves_its_body_unfinished_is_not_counted() {
    let backend = swallowing();
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 100\r\n\r\nshort");
    eventually("the request", || if backend.reached() == 1 { Ok(()) } else { Err("nothing".into()) });
    drop(client);
    eventually("nothing but an ignored or cancelled call", || match proxy.counts() {
        (0, 0, ignored, cancelled) if ignored + cancelled == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    eventually("a closed socket", || if backend.closed() == 1 { Ok(()) } else { Err("open".into()) });
}

/// A client asks, leaves once the endpoint has its request, and that is cancelled and the endpoint let go.
fn asks_and_leaves(proxy: &Running, backend: &Backend) {
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the request", || if backend.reached() == 1 { Ok(()) } else { Err("nothing".into()) });
    drop(client);
    proxy.settles_at((0, 0, 0, 1));
    eventually("a closed socket", || if backend.closed() == 1 { Ok(()) } else { Err("open".into()) });
}

#[test]
fn a_client_that_leaves_before_the_answer_is_cancelled_and_the_endpoint_let_go() {
    let backend = swallowing();
    asks_and_leaves(&before(backend.address, ""), &backend);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_response_is_cancelled() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while stream.write_all(&[b'x'; 10_000]).is_ok() {}
        false
    });
    asks_and_leaves(&before(backend.address, ""), &backend);
}

#[test]
fn a_probe_whose_client_leaves_gives_its_place_back() {
    let backend = Backend::status(500);
    let proxy = before(
        backend.address,
        "retry = false\n[service.breaker]\nconsecutive_failures = 5\nwait_in_open = { fixed = \"100ms\", jitter = 0.0 }\n\
         half_open_probes = 1\nsuccess_threshold = 1\nprobe_lease = \"60s\"",
    );
    for _ in 0..5 {
        get(proxy.address, "/");
    }
    backend.now_does(|stream, _| {
        let _ = stream.read(&mut [0]);
        false
    });
    eventually("half-open", || match proxy.state() {
        fusebox::breaker::State::HalfOpen => Ok(()),
        other => Err(other.to_string()),
    });
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the probe", || if backend.reached() == 6 { Ok(()) } else { Err("nothing".into()) });
    assert_eq!(get(proxy.address, "/").header("fusebox-reason"), Some("half_open_full"));
    drop(client);
    backend.turn_to(200);
    eventually("another probe", || match get(proxy.address, "/").status {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
    proxy.settles_at((1, 5, 0, 1));
}

#[test]
fn a_stalled_body_is_408_and_not_counted() {
    let backend = swallowing();
    let proxy = before(backend.address, "[limits]\nbody_idle_timeout = \"100ms\"");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 100\r\n\r\nshort");
    let answer = client.read();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(client.is_closed());
    proxy.settles_at((0, 0, 1, 0));
}

#[test]
fn an_upload_slower_than_the_call_timeout_is_neither_cut_nor_slow() {
    let backend = Backend::status(200);
    let proxy = before(
        backend.address,
        "call_timeout = \"200ms\"\n[service.breaker]\nslow_call_duration = \"100ms\"",
    );
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\n");
    for _ in 0..50 {
        client.send("x");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert_eq!(client.read().status, 200);
    proxy.settles_at((1, 0, 0, 0));
    assert_eq!(proxy.circuit("s").totals.slow, 0);
    assert_eq!(backend.requests()[0].body.len(), 50);
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 10_000]).is_ok() {}
        false
    });
    let proxy = before(backend.address, "[limits]\nbody_idle_timeout = \"150ms\"");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("a closed socket", || if backend.closed() == 1 { Ok(()) } else { Err("open".into()) });
    proxy.settles_at((0, 0, 0, 1));
}

#[test]
fn a_probe_whose_client_is_slow_gives_its_place_back_and_says_nothing() {
    let backend = Backend::status(500);
    let proxy = before(
        backend.address,
        "retry = false\ncall_timeout = \"200ms\"\n[service.breaker]\nconsecutive_failures = 5\n\
         wait_in_open = { fixed = \"50ms\", jitter = 0 }",
    );
    for _ in 0..5 {
        get(proxy.address, "/");
    }
    backend.turn_to(200);
    eventually("half-open", || match proxy.state() {
        fusebox::breaker::State::HalfOpen => Ok(()),
        other => Err(other.to_string()),
    });
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\n");
    for _ in 0..50 {
        client.send("x");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert_eq!(client.read().status, 200);
    proxy.settles_at((0, 5, 1, 0));
    let probes = proxy.circuit("s").probes;
    assert_eq!((proxy.state(), probes.in_flight, probes.bad), (fusebox::breaker::State::HalfOpen, 0, 0));
}
