//! What a proxy does when nobody misbehaves.

use crate::support::{Backend, Client, before, eventually, get, run, service};
use std::io::{Read, Write};

#[test]
fn a_response_passes_as_it_is_and_counts_as_a_success() {
    let backend = Backend::answering("HTTP/1.1 201 Created\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello");
    let proxy = before(backend.address, "");
    let answer = get(proxy.address, "/a?b=c");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-a")), (201, "hello", Some("1")));
    assert_eq!(answer.header("fusebox-outcome"), None);
    assert_eq!(backend.requests()[0].line(), "GET /a?b=c HTTP/1.1");
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!((backend.connections(), backend.reached()), (1, 20));
    proxy.settles_at((20, 0, 0, 0));
}

#[test]
fn bodies_stream_both_ways_in_chunks() {
    let backend = Backend::start(|stream, request| {
        let body = &request.body;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        for part in body.chunks(1000) {
            let _ = write!(stream, "{:x}\r\n", part.len());
            let _ = stream.write_all(part);
            let _ = stream.write_all(b"\r\n");
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let text = "0123456789".repeat(20_000);
    for part in text.as_bytes().chunks(7777) {
        client.send(format!("{:x}\r\n", part.len()));
        client.send(part);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    let answer = client.read();
    assert!(answer.whole && answer.text() == text);
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn a_body_with_trailers_is_whole_and_its_connection_is_kept() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    for _ in 0..3 {
        let answer = client.get("/");
        assert!(answer.whole && answer.text() == "ok", "{answer:?}");
    }
    proxy.settles_at((3, 0, 0, 0));
    assert_eq!((backend.connections(), backend.reached()), (1, 3));
}

#[test]
fn a_body_in_chunks_arrives_whatever_the_method() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    for method in ["GET", "DELETE", "OPTIONS", "PUT"] {
        let mut client = Client::connect(proxy.address);
        client.send(format!("{method} / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"));
        client.send("5\r\nquery\r\n0\r\n\r\n");
        assert_eq!(client.read().status, 200, "{method}");
        let received = backend.requests().pop().map(|request| request.body);
        assert_eq!(received.as_deref(), Some(&b"query"[..]), "{method}");
    }
    proxy.settles_at((4, 0, 0, 0));
}

#[test]
fn a_body_is_passed_on_before_it_is_whole() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let backend = Backend::start(move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        let _ = told.lock().expect("not poisoned").recv();
        stream.write_all(b"other").is_ok()
    });
    let proxy = before(backend.address, "");
    let mut stream = std::net::TcpStream::connect(proxy.address).expect("listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").expect("taken");
    let (mut seen, mut buffer) = (Vec::new(), [0; 1000]);
    while !seen.ends_with(b"first") {
        let read = stream.read(&mut buffer).expect("more");
        seen.extend_from_slice(&buffer[..read]);
    }
    tell.send(()).expect("the backend waits");
    while !seen.ends_with(b"other") {
        let read = stream.read(&mut buffer).expect("more");
        seen.extend_from_slice(&buffer[..read]);
    }
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let backend = Backend::start(|stream, request| {
        let path = request.line().split(' ').nth(1).unwrap_or_default().to_owned();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).is_ok()
    });
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    let all: String = (0..10).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    client.send(all);
    for i in 0..10 {
        assert_eq!(client.read().text(), format!("/{i}"));
    }
}

#[test]
fn heads_and_empty_answers_have_no_body() {
    let backend = Backend::start(|stream, request| {
        let answer = match request.line().split(' ').next() {
            Some("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            _ => "HTTP/1.1 204 No Content\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = client.read_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    assert_eq!(client.get("/").status, 204);
    assert_eq!(backend.connections(), 1);
    proxy.settles_at((2, 0, 0, 0));
}

#[test]
fn the_most_specific_route_takes_the_call_and_none_is_404() {
    let (a, b, c) = (Backend::status(200), Backend::status(201), Backend::status(202));
    let proxy = run(&format!(
        "[[service]]\nname = \"a\"\nmatch = {{ path_prefix = \"/a\" }}\nendpoints = [\"http://{}\"]\n\
         [[service]]\nname = \"b\"\nmatch = {{ path_prefix = \"/a/b\" }}\nendpoints = [\"http://{}/base\"]\n\
         [[service]]\nname = \"c\"\nmatch = {{ host = \"pay.example\" }}\nendpoints = [\"http://{}\"]\n",
        a.address, b.address, c.address
    ));
    assert_eq!(get(proxy.address, "/a/x").status, 200);
    assert_eq!(get(proxy.address, "/a/b/c?d").status, 201);
    assert_eq!(b.requests()[0].line(), "GET /base/a/b/c?d HTTP/1.1");
    let mut client = Client::connect(proxy.address);
    client.send("GET /a HTTP/1.1\r\nHost: PAY.example:8080\r\n\r\n");
    assert_eq!(client.read().status, 202);
    let nowhere = get(proxy.address, "/abc");
    assert_eq!((nowhere.status, nowhere.header("content-type")), (404, Some("application/problem+json")));
}

#[test]
fn endpoints_take_turns_with_a_circuit_each() {
    let (one, other) = (Backend::status(200), Backend::status(200));
    let proxy = run(&service(&[one.address, other.address], ""));
    for _ in 0..10 {
        assert_eq!(get(proxy.address, "/").status, 200);
    }
    assert_eq!((one.reached(), other.reached()), (5, 5));
    for backend in [&one, &other] {
        eventually("five successes", || {
            match proxy.circuit(&format!("s/{}", backend.address)).totals.success {
                5 => Ok(()),
                other => Err(other.to_string()),
            }
        });
    }
}

#[test]
fn a_key_has_a_circuit_of_its_own_and_none_is_a_key_too() {
    let backend = Backend::start(|stream, request| {
        let status = if request.values("x-tenant") == ["bad"] { 500 } else { 200 };
        write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(
        backend.address,
        "retry = false\n[service.breaker]\nkey = \"header:x-tenant\"\nconsecutive_failures = 5\n",
    );
    let mut client = Client::connect(proxy.address);
    let mut ask = |tenant: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{tenant}\r\n"));
        client.read().status
    };
    for _ in 0..5 {
        assert_eq!(ask("X-Tenant: bad\r\n"), 500);
    }
    assert_eq!((ask("X-Tenant: bad\r\n"), ask("X-Tenant: good\r\n"), ask("")), (503, 200, 200));
    assert_eq!(proxy.circuit("s[bad]").totals.rejected, 1);
    assert_eq!(proxy.circuit("s[none]").totals.success, 1);
}

#[test]
fn every_circuit_exists_before_the_first_call() {
    let proxy = before(crate::support::nobody(), "");
    assert_eq!(proxy.counts(), (0, 0, 0, 0));
}
