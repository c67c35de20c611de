//! The circuit's whole life, as a client and the endpoint see it.

use crate::support::{Answer, Backend, Client, before, eventually, get, nobody, run, service};
use fusebox::breaker::State;
use std::sync::{Arc, Condvar, Mutex};

/// Holds answers back until told.
#[derive(Clone, Default)]
struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    fn pass(&self) {
        let (open, changed) = &*self.0;
        let mut open = open.lock().expect("not poisoned");
        while !*open {
            open = changed.wait(open).expect("not poisoned");
        }
    }

    fn open(&self) {
        *self.0.0.lock().expect("not poisoned") = true;
        self.0.1.notify_all();
    }
}

fn is_rejection(answer: &Answer) {
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (503, Some("rejected")));
    assert_eq!(answer.header("fusebox-circuit"), Some("s"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(
        answer
            .header("retry-after")
            .and_then(|after| after.parse::<u64>().ok())
            .is_some_and(|after| after >= 1)
    );
}

#[test]
fn the_circuit_opens_at_the_tenth_failure_probes_and_closes() {
    let backend = Backend::status(500);
    let proxy = before(
        backend.address,
        "retry = false\n[service.breaker]\nwait_in_open = { base = \"2s\", jitter = 0.0 }",
    );
    let mut client = Client::connect(proxy.address);
    for call in 1..=10 {
        assert_eq!((client.get("/").status, backend.reached()), (500, call));
    }

    // Open: nothing reaches the endpoint, and the refusal says why.
    for _ in 0..50 {
        let answer = client.get("/");
        is_rejection(&answer);
        assert_eq!(answer.header("fusebox-reason"), Some("open"));
        let problem = answer.json();
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains("consecutive_failures 10 ≥ 10") && detail.contains("status 500"), "{detail}");
        assert_eq!(
            (&problem["circuit"], &problem["reason"], &problem["status"]),
            (&"s".into(), &"open".into(), &503.into())
        );
        assert!(problem["retry_after_ms"].as_u64().is_some_and(|after| after <= 2000), "{problem}");
        let at = problem["retry_at"].as_str().expect("a moment");
        assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");
        assert_eq!(answer.header("retry-after").map(|after| after == "1" || after == "2"), Some(true));
    }
    assert_eq!((backend.reached(), backend.connections()), (10, 1));
    let open = proxy.circuit("s");
    assert_eq!((open.state, open.totals.rejected, open.totals.trips()), (State::Open, 50, 1));

    // The wait passes without traffic: the circuit and its journal say so.
    eventually("half-open", || match proxy.state() {
        State::HalfOpen => Ok(()),
        other => Err(other.to_string()),
    });

    // Exactly as many probes as are allowed at once, however many ask.
    let barrier = Barrier::default();
    let gate = barrier.clone();
    backend.now_does(move |stream, _| {
        gate.pass();
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let askers: Vec<_> = (0..12)
        .map(|_| {
            let address = proxy.address;
            std::thread::spawn(move || get(address, "/"))
        })
        .collect();
    eventually("nine refusals", || match proxy.circuit("s").totals.rejected {
        59 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!((backend.reached(), proxy.circuit("s").probes.in_flight), (13, 3));
    barrier.open();
    let answers: Vec<_> = askers.into_iter().map(|asker| asker.join().expect("an answer")).collect();
    let refused = answers.iter().filter(|answer| answer.status == 503);
    assert_eq!(refused.clone().count(), 9);
    refused.for_each(|answer| {
        is_rejection(answer);
        assert_eq!(answer.header("fusebox-reason"), Some("half_open_full"));
    });
    eventually("closed", || match proxy.state() {
        State::Closed => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(client.get("/").status, 200);
    proxy.settles_at((4, 10, 0, 0));

    let journal = eventually("three lines", || {
        let journal = proxy.journal.lock().expect("not poisoned").clone();
        if journal.len() == 3 { Ok(journal) } else { Err(format!("{journal:?}")) }
    });
    let changes =
        ["closed → open: consecutive_failures 10", "open → half_open", "half_open → closed: 3 good probes"];
    for (line, change) in journal.iter().zip(changes) {
        assert!(line.starts_with("fusebox: circuit s ") && line.contains(change), "{line}");
    }
    assert!(journal[0].contains("; probes in "), "{journal:?}");
}

#[test]
fn hung_calls_open_the_circuit_before_they_end() {
    let backend = Backend::start(|stream, _| {
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    });
    let proxy =
        before(backend.address, "call_timeout = \"60s\"\n[service.breaker]\nslow_call_duration = \"100ms\"");
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(proxy.address)).collect();
    clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n"));
    eventually("open", || match proxy.state() {
        State::Open => Ok(()),
        other => Err(other.to_string()),
    });
    let answer = get(proxy.address, "/");
    is_rejection(&answer);
    assert!(answer.text().contains("hung"), "{}", answer.text());
    assert_eq!(backend.reached(), 10);
}

#[test]
fn a_fallback_answers_failures_and_rejections_and_says_so() {
    let backend = Backend::status(500);
    let proxy = before(
        backend.address,
        "retry = false\n[service.breaker]\nconsecutive_failures = 5\n[service.fallback]\nstatus = 203\nbody = '{\"recommendations\": []}'\nheaders = { content-type = \"application/json\" }",
    );
    for _ in 0..10 {
        let answer = get(proxy.address, "/");
        assert_eq!((answer.status, answer.text().as_str()), (203, "{\"recommendations\": []}"));
        assert_eq!(answer.header("fusebox-outcome"), Some("fallback"));
        assert_eq!(answer.header("fusebox-source"), Some("default"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(backend.reached(), 5);
    proxy.settles_at((0, 5, 0, 0));
    assert_eq!(proxy.circuit("s").totals.rejected, 5);
}

#[test]
fn a_fallback_for_rejections_lets_failures_pass() {
    let backend = Backend::status(500);
    let proxy = before(
        backend.address,
        "retry = false\n[service.breaker]\nconsecutive_failures = 5\n[service.fallback]\non = \"rejected\"\nstatus = 200\nbody = \"kept\"",
    );
    let answers: Vec<_> = (0..7).map(|_| get(proxy.address, "/").status).collect();
    assert_eq!(answers, [500, 500, 500, 500, 500, 200, 200]);
}

#[test]
fn a_fallback_answers_for_an_endpoint_that_is_gone_and_one_that_hangs() {
    let fallback =
        "retry = false\ncall_timeout = \"100ms\"\n[service.fallback]\nstatus = 200\nbody = \"kept\"";
    let gone = before(nobody(), fallback);
    assert_eq!(get(gone.address, "/").text(), "kept");
    let hangs = Backend::start(|stream, _| {
        let _ = std::io::Read::read(stream, &mut [0]);
        false
    });
    let hanging = before(hangs.address, fallback);
    assert_eq!(get(hanging.address, "/").text(), "kept");
    hanging.settles_at((0, 1, 0, 0));
}

#[test]
fn a_client_fault_never_gets_the_fallback() {
    let backend = Backend::start(|stream, _| {
        let _ = std::io::copy(stream, &mut std::io::sink());
        false
    });
    let proxy = before(backend.address, "[service.fallback]\nstatus = 200\nbody = \"kept\"");
    let mut client = Client::connect(proxy.address);
    client
        .send("POST / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n");
    assert_eq!(client.read().status, 400);
}

#[test]
fn one_bad_endpoint_of_two_is_left_out_and_nobody_notices() {
    let (good, bad) = (Backend::status(200), Backend::status(500));
    let proxy = run(&service(
        &[good.address, bad.address],
        "order = \"retry_outside\"\n[service.retry]\nmax_attempts = 2\nbackoff = { base = \"1ms\", max = \"2ms\" }",
    ));
    for _ in 0..60 {
        assert_eq!(get(proxy.address, "/").status, 200);
    }
    assert_eq!(bad.reached(), 10);
    assert_eq!(proxy.circuit(&format!("s/{}", bad.address)).state, State::Open);
    assert_eq!(proxy.circuit(&format!("s/{}", good.address)).state, State::Closed);
}

#[test]
fn when_every_endpoint_is_out_the_refusal_is_of_the_one_that_comes_back_first() {
    let (one, other) = (Backend::status(500), Backend::status(500));
    let proxy = run(&service(
        &[one.address, other.address],
        "retry = false\n[service.breaker]\nconsecutive_failures = 5",
    ));
    for _ in 0..10 {
        assert_eq!(get(proxy.address, "/").status, 500);
    }
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.header("fusebox-outcome")), (503, Some("rejected")));
    let circuits = [&one, &other].map(|backend| format!("s/{}", backend.address));
    let first = circuits.iter().min_by_key(|name| proxy.circuit(name).retry_at).expect("two");
    assert_eq!(answer.header("fusebox-circuit"), Some(first.as_str()));
}

#[test]
fn a_route_with_a_breaker_of_its_own_fails_alone() {
    let backend = Backend::start(|stream, request| {
        let status = if request.line().starts_with("GET /capture") { 500 } else { 200 };
        std::io::Write::write_all(
            stream,
            format!("HTTP/1.1 {status} S\r\nContent-Length: 0\r\n\r\n").as_bytes(),
        )
        .is_ok()
    });
    let proxy = before(
        backend.address,
        "retry = false\n[[service.route]]\nname = \"capture\"\nmatch = { path_prefix = \"/capture\" }\n[service.route.breaker]\nconsecutive_failures = 5",
    );
    for _ in 0..5 {
        assert_eq!(get(proxy.address, "/capture").status, 500);
    }
    assert_eq!((get(proxy.address, "/capture").status, get(proxy.address, "/authorise").status), (503, 200));
    proxy.settles_at((1, 0, 0, 0));
}
