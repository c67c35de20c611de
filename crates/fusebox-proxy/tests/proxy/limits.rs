//! Bounds on what clients can take.

use crate::support::{Backend, Client, before, eventually, get, run};

#[test]
fn half_a_head_is_408_and_silence_just_closes() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "[limits]\nheader_timeout = \"100ms\"");
    let mut slow = Client::connect(proxy.address);
    slow.send("GET / HTTP/1.1\r\nHost: te");
    assert_eq!(slow.read().status, 408);
    assert!(slow.is_closed());
    let mut silent = Client::connect(proxy.address);
    assert_eq!(silent.read().status, 0);
    let mut idle = Client::connect(proxy.address);
    assert_eq!(idle.get("/").status, 200);
    assert!(idle.is_closed());
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn a_head_that_trickles_is_cut_off_too() {
    let proxy = before(crate::support::nobody(), "[limits]\nheader_timeout = \"200ms\"");
    let mut client = Client::connect(proxy.address);
    client.send("GET / HTTP/1.1\r\n");
    for i in 0..60 {
        client.send(format!("X-{i}: 1\r\n"));
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert!(matches!(client.read().status, 0 | 408));
    assert_eq!(proxy.counts(), (0, 0, 0, 0));
}

#[test]
fn a_head_beyond_the_limit_is_431() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "[limits]\nmax_header_bytes = 16384");
    let mut client = Client::connect(proxy.address);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-A: {}\r\n\r\n", "x".repeat(20_000)));
    assert_eq!(client.read().status, 431);
    assert_eq!(backend.connections(), 0);
}

#[test]
fn more_headers_than_anyone_needs_are_431() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    let headers: String = (0..200).map(|i| format!("X-{i}: 1\r\n")).collect();
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    assert_eq!(client.read().status, 431);
    assert_eq!(backend.connections(), 0);
}

#[test]
fn at_the_limit_of_connections_the_next_one_waits_its_turn() {
    let backend = Backend::status(200);
    let proxy = crate::support::run_with(
        &crate::support::service(&[backend.address], "[limits]\nmax_connections = 2"),
        1,
    );
    let (mut first, mut second) = (Client::connect(proxy.address), Client::connect(proxy.address));
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    let mut third = Client::connect(proxy.address);
    third.send("GET /third HTTP/1.1\r\nHost: test\r\n\r\n");
    for _ in 0..10 {
        assert_eq!(first.get("/").status, 200);
    }
    assert!(backend.requests().iter().all(|request| !request.line().contains("third")));
    drop(second);
    assert_eq!(third.read().status, 200);
}

#[test]
fn slow_clients_in_numbers_keep_nobody_else_waiting() {
    let backend = Backend::status(200);
    let proxy = before(backend.address, "[limits]\nheader_timeout = \"2s\"");
    let mut slow: Vec<_> = (0..400).map(|_| Client::connect(proxy.address)).collect();
    slow.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHo"));
    for _ in 0..50 {
        assert_eq!(get(proxy.address, "/").status, 200);
    }
    for client in &mut slow {
        client.read();
        assert!(client.is_closed());
    }
    eventually("all successes", || match proxy.counts() {
        (50, 0, 0, 0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn an_answer_reaches_a_client_that_is_still_sending() {
    let backend = Backend::status(500);
    let more = "retry = false\n[service.breaker]\nconsecutive_failures = 5";
    let proxy = before(backend.address, more);
    for _ in 0..5 {
        get(proxy.address, "/");
    }
    for _ in 0..20 {
        let mut client = Client::connect(proxy.address);
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8000000\r\n\r\n");
        client.send(vec![b'x'; 8_000_000]);
        let answer = client.read();
        assert_eq!((answer.status, answer.header("fusebox-outcome")), (503, Some("rejected")));
    }
    let mut client = Client::connect(proxy.address);
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-A: {}\r\n\r\n", "x".repeat(4_000_000)));
    assert_eq!(client.read().status, 431);
    assert_eq!(backend.reached(), 5);
}

#[test]
fn keys_made_up_for_one_service_crowd_out_no_other_services_keys() {
    let (bad, good) = (Backend::status(500), Backend::status(200));
    let keyed = |name: &str, address: std::net::SocketAddr| {
        format!(
            "[[service]]\nname = \"{name}\"\nmatch = {{ path_prefix = \"/{name}\" }}\nendpoints = [\"http://{address}\"]\n\
             retry = false\n[service.breaker]\nkey = \"header:x-tenant\"\nmax_circuits = 3\n"
        )
    };
    let proxy = run(&format!("{}{}", keyed("bad", bad.address), keyed("good", good.address)));
    let ask = |service: &str, tenant: usize| {
        let mut client = Client::connect(proxy.address);
        client.send(format!("GET /{service} HTTP/1.1\r\nHost: test\r\nX-Tenant: {tenant}\r\n\r\n"));
        client.read().status
    };
    // Three tenants have circuits of their own; twelve more share one, which opens.
    (0..15).for_each(|tenant| assert!(matches!(ask("bad", tenant), 500 | 503)));
    assert_eq!(ask("bad", 99), 503);
    assert_eq!(proxy.circuit("bad[other]").totals.success, 0);
    (0..15).for_each(|tenant| assert_eq!(ask("good", tenant), 200));
    assert_eq!(proxy.circuit("good[2]").totals.success, 1);
    assert_eq!(proxy.circuit("good[other]").totals.success, 12);
}
