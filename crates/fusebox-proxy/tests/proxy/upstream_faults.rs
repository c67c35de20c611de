//! Endpoints that fail before the head of a response: counted, and told apart.

use crate::support::{Answer, Backend, Client, before, drop_syns, eventually, get, nobody, run, service};
use std::io::Write;

/// The client's answer, in short: status, outcome, reason.
fn told(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.header("fusebox-outcome"), answer.header("fusebox-reason"))
}

fn is_problem(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status);
    for field in ["type", "title", "detail", "circuit", "reason"] {
        assert!(problem[field].is_string(), "{field} in {problem}");
    }
}

#[test]
fn refused_is_503_with_a_way_out() {
    let proxy = before(nobody(), "retry = false");
    let answer = get(proxy.address, "/");
    assert_eq!(told(&answer), (503, Some("upstream_unreachable"), Some("connection_refused")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("fusebox-circuit"), Some("s"));
    is_problem(&answer);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_hanging_connect_is_504_after_its_own_timeout() {
    let (address, _kept) = drop_syns();
    let proxy = before(address, "retry = false\n[limits]\nconnect_timeout = \"100ms\"");
    let answer = get(proxy.address, "/");
    assert_eq!(told(&answer), (504, Some("upstream_unreachable"), Some("connect_timeout")));
    is_problem(&answer);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_name_without_an_address_is_502() {
    let text = "retry = false\nendpoints = [\"http://no-such-host.invalid:80\"]";
    let proxy = run(&format!(
        "[[service]]\nname = \"s\"\nmatch = {{ path_prefix = \"/\" }}\n{text}\n[limits]\nconnect_timeout = \"10s\""
    ));
    let answer = get(proxy.address, "/");
    assert_eq!(told(&answer), (502, Some("upstream_unreachable"), Some("unresolved")));
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn no_answer_is_504_at_the_call_timeout_and_the_socket_is_closed() {
    let backend = Backend::start(|stream, _| {
        // Waits until the proxy has closed.
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    });
    let proxy = before(backend.address, "retry = false\ncall_timeout = \"100ms\"");
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (504, Some("timed_out")));
    is_problem(&answer);
    proxy.settles_at((0, 1, 0, 0));
    eventually("a closed socket", || if backend.closed() == 1 { Ok(()) } else { Err("open".into()) });
    assert_eq!(backend.reached(), 1);
}

#[test]
fn who_ran_out_of_time_is_named_among_several() {
    let hangs = || {
        Backend::start(|stream, _| {
            let _ = std::io::Read::read(stream, &mut [0]);
            false
        })
    };
    let (one, other) = (hangs(), hangs());
    let proxy = run(&service(&[one.address, other.address], "retry = false\ncall_timeout = \"100ms\""));
    let mut named = [(); 2].map(|()| get(proxy.address, "/").header("fusebox-circuit").map(str::to_owned));
    named.sort();
    let mut expected = [&one, &other].map(|backend| Some(format!("s/{}", backend.address)));
    expected.sort();
    assert_eq!(named, expected);
}

#[test]
fn the_deadline_ends_the_whole_call() {
    let backend = Backend::start(|stream, _| {
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    });
    let proxy = before(backend.address, "deadline = \"100ms\"\ncall_timeout = \"10s\"");
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (504, Some("deadline_exceeded")));
    // It had not lasted long enough to speak against the endpoint.
    proxy.settles_at((0, 0, 0, 1));
}

#[test]
fn slow_within_the_limits_is_slow_and_a_success() {
    let backend = Backend::start(|stream, _| {
        std::thread::park_timeout(std::time::Duration::from_millis(150));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let proxy = before(backend.address, "[service.breaker]\nslow_call_duration = \"20ms\"");
    assert_eq!(get(proxy.address, "/").status, 200);
    proxy.settles_at((1, 0, 0, 0));
    assert_eq!(proxy.circuit("s").totals.slow, 1);
}

#[test]
fn a_reset_before_the_head_is_502() {
    let backend = Backend::start(|_, _| false);
    let proxy = before(backend.address, "retry = false");
    let answer = get(proxy.address, "/");
    assert_eq!(told(&answer), (502, Some("upstream_failed"), Some("reset")));
    is_problem(&answer);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn an_endpoint_that_lies_is_502_and_counted() {
    let lies: [&'static str; 12] = [
        "this is no HTTP\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ];
    for lie in lies {
        let backend = Backend::closing_after(lie);
        let proxy = before(backend.address, "retry = false");
        let answer = get(proxy.address, "/");
        assert_eq!(
            (answer.status, answer.header("fusebox-outcome")),
            (502, Some("upstream_failed")),
            "{lie:?}"
        );
        proxy.settles_at((0, 1, 0, 0));
    }
}

#[test]
fn a_head_beyond_the_limit_is_502() {
    let backend = Backend::start(|stream, _| {
        let padding = "x".repeat(40_000);
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nX-A: {padding}\r\nX-B: {padding}\r\nContent-Length: 0\r\n\r\n"
        );
        false
    });
    let proxy = before(backend.address, "retry = false\n[limits]\nmax_header_bytes = 16384");
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (502, Some("upstream_failed")));
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_head_that_trickles_runs_into_the_call_timeout() {
    let backend = Backend::start(|stream, _| {
        for byte in
            b"HTTP/1.1 200 OK\r\nX-Padding: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".iter().cycle()
        {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        false
    });
    let proxy = before(backend.address, "retry = false\ncall_timeout = \"150ms\"");
    assert_eq!(get(proxy.address, "/").status, 504);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_flood_of_interim_responses_runs_into_the_call_timeout() {
    let backend = Backend::start(|stream, _| {
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        false
    });
    let proxy = before(backend.address, "retry = false\ncall_timeout = \"150ms\"");
    assert_eq!(get(proxy.address, "/").status, 504);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn a_client_error_passes_and_is_a_success() {
    for status in [400, 401, 404, 409, 422] {
        let backend = Backend::status(status);
        let proxy = before(backend.address, "");
        let answer = get(proxy.address, "/");
        assert_eq!((answer.status, answer.text().as_str()), (status, "ok"));
        proxy.settles_at((1, 0, 0, 0));
    }
}

#[test]
fn a_server_error_passes_and_is_a_failure() {
    for status in [500, 501, 502, 503, 504] {
        let backend = Backend::status(status);
        let proxy = before(backend.address, "retry = false");
        let answer = get(proxy.address, "/");
        assert_eq!((answer.status, answer.text().as_str()), (status, "ok"));
        assert_eq!(answer.header("fusebox-outcome"), None);
        proxy.settles_at((0, 1, 0, 0));
    }
}

#[test]
fn overload_passes_with_the_wait_it_asks_for_and_does_not_extend_the_run() {
    let backend = Backend::answering("HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    let proxy = before(backend.address, "");
    let answer = get(proxy.address, "/");
    // Seven seconds are too long to keep a client waiting for a retry.
    assert_eq!((answer.status, answer.header("retry-after"), backend.reached()), (429, Some("7"), 1));
    proxy.settles_at((0, 1, 0, 0));
    assert_eq!(proxy.circuit("s").consecutive_failures, 0);
}

#[test]
fn under_the_seed_preset_429_is_a_success() {
    let backend = Backend::status(429);
    let proxy = before(backend.address, "[service.breaker]\npreset = \"seed\"");
    assert_eq!(get(proxy.address, "/").status, 429);
    proxy.settles_at((1, 0, 0, 0));
}

#[test]
fn another_fusebox_refusing_is_no_failure_and_runs_the_fallback() {
    const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nFusebox-Outcome: rejected\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::answering(REFUSAL);
    let proxy = before(backend.address, "");
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (503, Some("rejected")));
    assert_eq!(backend.reached(), 1);
    proxy.settles_at((0, 0, 1, 0));

    let with_fallback = before(backend.address, "[service.fallback]\nstatus = 200\nbody = \"kept\"");
    let answer = get(with_fallback.address, "/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "kept"));
    with_fallback.settles_at((0, 0, 1, 0));
}

#[test]
fn only_a_503_is_another_fuseboxs_refusal() {
    let backend =
        Backend::answering("HTTP/1.1 500 Broken\r\nFusebox-Outcome: rejected\r\nContent-Length: 0\r\n\r\n");
    let proxy = before(backend.address, "retry = false");
    assert_eq!(get(proxy.address, "/").status, 500);
    proxy.settles_at((0, 1, 0, 0));
}

#[test]
fn an_early_response_outlives_the_upload_that_it_broke() {
    let backend = Backend::start(|stream, _| {
        let _ =
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        false
    });
    let proxy = before(backend.address, "");
    for _ in 0..10 {
        let mut client = Client::connect(proxy.address);
        client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 4000000\r\n\r\n");
        client.send(vec![b'x'; 2_000_000]);
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    }
    proxy.settles_at((10, 0, 0, 0));
}

#[test]
fn an_early_response_passes_while_the_client_still_uploads() {
    let backend = Backend::start(|stream, _| {
        let _ =
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        false
    });
    let proxy = before(backend.address, "");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 1000000\r\n\r\nfirst");
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    proxy.settles_at((1, 0, 0, 0));
    // What is left of the body is never taken for another request.
    client.send("GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n");
    drop(client);
    assert_eq!(backend.reached(), 1);
}
