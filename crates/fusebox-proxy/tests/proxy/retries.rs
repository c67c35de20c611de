//! Only what is safe to replay is attempted again.

use crate::support::{Backend, Client, before, drop_syns, get, nobody, run, service};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const QUICK: &str =
    "[service.retry]\nmax_attempts = 3\nbudget = false\nbackoff = { base = \"1ms\", max = \"2ms\" }";

/// Fails this many times in its way, then answers 200.
fn failing_first(
    times: usize,
    how: impl Fn(&mut std::net::TcpStream) -> bool + Send + Sync + 'static,
) -> Backend {
    let left = AtomicUsize::new(times);
    Backend::start(move |stream, _| {
        if left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return how(stream);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").is_ok()
    })
}

fn says_500(stream: &mut std::net::TcpStream) -> bool {
    stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad").is_ok()
}

#[test]
fn a_get_is_attempted_again_and_the_breaker_sees_the_last_word() {
    let backend = failing_first(2, says_500);
    let proxy = before(backend.address, QUICK);
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.text().as_str(), backend.reached()), (200, "good", 3));
    assert_eq!(backend.connections(), 1, "an answer that nobody gets does not cost its connection");
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn a_reset_before_the_head_is_attempted_again() {
    let backend = failing_first(1, |_| false);
    let proxy = before(backend.address, QUICK);
    assert_eq!((get(proxy.address, "/").status, backend.reached()), (200, 2));
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn a_timed_out_get_is_attempted_again_and_a_post_is_not() {
    let hangs = |stream: &mut std::net::TcpStream| {
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    };
    let backend = failing_first(1, hangs);
    let proxy = before(backend.address, &format!("call_timeout = \"150ms\"\n{QUICK}"));
    assert_eq!((get(proxy.address, "/").status, backend.reached()), (200, 2));

    let backend = failing_first(1, hangs);
    let proxy = before(backend.address, &format!("call_timeout = \"150ms\"\n{QUICK}"));
    let answer = Client::connect(proxy.address).post("/", "");
    assert_eq!((answer.status, backend.reached()), (504, 1));
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn what_is_not_safe_to_repeat_is_attempted_once() {
    for request in [
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
        "PATCH / HTTP/1.1\r\nHost: test\r\n\r\n",
        &format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n{}", "x".repeat(65_537)),
        &format!(
            "PUT / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n{}\r\n0\r\n\r\n",
            "x".repeat(65_537)
        ),
    ] {
        for how in [says_500 as fn(&mut std::net::TcpStream) -> bool, |_| false] {
            let backend = failing_first(1, how);
            let proxy = before(backend.address, QUICK);
            let mut client = Client::connect(proxy.address);
            client.send(request);
            assert!(client.read().status >= 500);
            assert_eq!(backend.reached(), 1, "{:?}", &request[..60.min(request.len())]);
            proxy.settles_at((0, 1, 0, 0));
        }
    }
}

#[test]
fn without_a_connection_even_a_post_goes_to_the_next_endpoint() {
    let good = Backend::status(200);
    let proxy = run(&service(&[nobody(), good.address], &format!("order = \"retry_outside\"\n{QUICK}")));
    for _ in 0..6 {
        assert_eq!(Client::connect(proxy.address).post("/", "precious").status, 200);
    }
    assert!(good.requests().iter().all(|request| request.body == b"precious"));
}

#[test]
fn a_connect_that_hangs_is_left_for_the_next_endpoint() {
    let (hanging, _kept) = drop_syns();
    let good = Backend::status(200);
    let proxy = run(&service(
        &[hanging, good.address],
        &format!("order = \"retry_outside\"\n{QUICK}\n[limits]\nconnect_timeout = \"100ms\""),
    ));
    for _ in 0..4 {
        assert_eq!(get(proxy.address, "/").status, 200);
    }
}

#[test]
fn a_wait_that_is_asked_for_is_kept_and_a_long_one_is_the_clients() {
    let backend = failing_first(1, |stream| {
        stream.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(
        backend.address,
        "[service.retry]\nmax_attempts = 2\nbudget = false\nbackoff = { base = \"1ms\", max = \"2s\" }",
    );
    assert_eq!((get(proxy.address, "/").status, backend.reached()), (200, 2));

    let backend = failing_first(1, |stream| {
        stream.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(backend.address, QUICK);
    assert_eq!((get(proxy.address, "/").status, backend.reached()), (503, 1));
}

#[test]
fn a_connection_that_was_closed_while_it_rested_is_nobodys_failure() {
    // Answers once on each connection, says it stays, and closes when the next request comes.
    let served = std::sync::Mutex::new(std::collections::HashSet::new());
    let backend = Backend::start(move |stream, _| {
        let peer = stream.peer_addr().expect("connected");
        let first = served.lock().expect("not poisoned").insert(peer);
        first && stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(backend.address, "retry = false");
    let mut client = Client::connect(proxy.address);
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 200);
    }
    assert!(backend.connections() >= 5);
    proxy.settles_at((5, 0, 0, 0));
}

#[test]
fn a_post_over_a_connection_that_broke_is_not_sent_twice() {
    let served = std::sync::Mutex::new(std::collections::HashSet::new());
    let backend = Backend::start(move |stream, _| {
        let peer = stream.peer_addr().expect("connected");
        let first = served.lock().expect("not poisoned").insert(peer);
        first && stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.post("/", "once").status, 502);
    assert_eq!(backend.requests().iter().filter(|request| request.line().starts_with("POST")).count(), 1);
}

#[test]
fn a_body_that_was_kept_is_sent_again_whole() {
    let long = "0123456789abcdef".repeat(4096);
    for request in [
        "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        "POST / HTTP/1.1\r\nHost: test\r\nIdempotency-Key: 7\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        "PUT / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
            .to_owned(),
        format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
    ] {
        for how in [says_500 as fn(&mut std::net::TcpStream) -> bool, |_| false] {
            let backend = failing_first(2, how);
            let proxy = before(backend.address, QUICK);
            let mut client = Client::connect(proxy.address);
            client.send(&request);
            assert_eq!((client.read().status, backend.reached()), (200, 3));
            let requests = backend.requests();
            assert!(matches!(requests[0].body.len(), 2 | 65_536));
            assert!(requests.iter().all(|other| other.body == requests[0].body), "each the same");
            assert!(
                requests
                    .iter()
                    .all(|other| other.values("content-length") == requests[0].values("content-length"))
            );
        }
    }
}

#[test]
fn an_attempt_that_ends_in_the_middle_of_a_body_does_not_lose_the_rest() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Hangs up in the middle of the first one.
        for until in ["\r\n\r\nfirst", "\r\n\r\nfirstend"] {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (mut request, mut part) = (Vec::new(), [0; 1024]);
            while !request.ends_with(until.as_bytes()) {
                let read = std::io::Read::read(&mut stream, &mut part).expect("the rest");
                assert!(read > 0, "the rest");
                request.extend_from_slice(&part[..read]);
            }
            let _ = sender.send(());
            if until.ends_with("end") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let proxy = before(address, QUICK);
    let mut client = Client::connect(proxy.address);
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nfirst");
    seen.recv().expect("the first attempt");
    client.send("end");
    assert_eq!(client.read().status, 200);
}

#[test]
fn who_retries_says_so_and_nobody_before_it_tries_again() {
    // Behind two proxies, one layer retries: three requests, not nine.
    let backend = Backend::status(500);
    let inner = before(backend.address, QUICK);
    let outer = before(inner.address, QUICK);
    let answer = get(outer.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-retry"), backend.reached()), (500, Some("no"), 3));
    // An answer that nobody has tried twice says nothing of it.
    let once = before(backend.address, "retry = false");
    assert_eq!(get(once.address, "/").header("fusebox-retry"), None);
    backend.turn_to(200);
    assert_eq!(get(outer.address, "/").header("fusebox-retry"), None);
}

#[test]
fn a_circuit_that_refuses_is_not_asked_again_from_outside() {
    let backend = Backend::status(500);
    let proxy = before(backend.address, "retry = false\n[service.breaker]\nconsecutive_failures = 5");
    for _ in 0..5 {
        assert_eq!(get(proxy.address, "/").header("fusebox-retry"), None);
    }
    let answer = get(proxy.address, "/");
    assert_eq!((answer.header("fusebox-reason"), answer.header("fusebox-retry")), (Some("open"), Some("no")));
    assert_eq!(answer.json()["policy"], "breaker");
}

#[test]
fn how_much_is_kept_and_which_header_makes_a_call_safe_are_the_users() {
    let request =
        |key: &str| format!("POST / HTTP/1.1\r\nHost: test\r\n{key}: 7\r\nContent-Length: 4\r\n\r\nbody");
    for (settings, key, reached) in [
        ("max_replay_bytes = 4", "Idempotency-Key", 2),
        ("max_replay_bytes = 3", "Idempotency-Key", 1),
        ("max_replay_bytes = 0", "Idempotency-Key", 1),
        ("idempotency_key = \"x-once\"", "X-Once", 2),
        ("idempotency_key = \"x-once\"", "Idempotency-Key", 1),
    ] {
        let backend = failing_first(1, says_500);
        let proxy = before(backend.address, &format!("{settings}\n{QUICK}"));
        let mut client = Client::connect(proxy.address);
        client.send(request(key));
        assert_eq!(
            (client.read().status == 200, backend.reached()),
            (reached == 2, reached),
            "{settings} {key}"
        );
    }
}
