//! `[service.health]`: endpoints that say they are unwell get no calls, and are asked until they say otherwise.

use crate::support::{Backend, Running, drop_syns, eventually, get, nobody, run, run_after, service};
use fusebox::breaker::State;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

/// Answers calls with its port, and `/healthz` with a status that can change.
fn patient() -> (Backend, Arc<AtomicU16>) {
    let health = Arc::new(AtomicU16::new(200));
    let now = health.clone();
    let backend = Backend::start(move |stream: &mut TcpStream, request| {
        let port = stream.local_addr().map_or(0, |address| address.port());
        let status = if request.line().contains("/healthz") { now.load(SeqCst) } else { 200 };
        let answer = format!("HTTP/1.1 {status} S\r\nContent-Length: 5\r\n\r\n{port:05}");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (backend, health)
}

const HEALTH: &str =
    "health = { path = \"/healthz\", interval = \"20ms\", unhealthy_after = 2, healthy_after = 2 }";

fn said(proxy: &Running, what: &str) {
    eventually(what, || {
        let lines = proxy.journal.lock().expect("not poisoned").clone();
        if lines.iter().any(|line| line.contains(what)) { Ok(()) } else { Err(format!("{lines:?}")) }
    });
}

fn answered_by(proxy: &Running, calls: usize) -> Vec<String> {
    let mut ports: Vec<_> = (0..calls).map(|_| get(proxy.address, "/").text()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn port(address: SocketAddr) -> String {
    format!("{:05}", address.port())
}

#[test]
fn an_endpoint_that_says_it_is_unwell_gets_no_calls_until_it_is_well_again() {
    let ((sick, health), (well, _)) = (patient(), patient());
    let proxy = run(&service(
        &[sick.address, well.address],
        &format!("{HEALTH}\nbalancer = {{ slow_start = \"0s\" }}"),
    ));
    assert_eq!(answered_by(&proxy, 10).len(), 2, "both are well");
    health.store(503, SeqCst);
    said(&proxy, "is unhealthy: 2 bad checks in a row, the last: status 503");
    assert_eq!(answered_by(&proxy, 20), [port(well.address)]);
    let circuit = proxy.circuit(&format!("s/{}", sick.address));
    assert_eq!((circuit.state, circuit.totals.failure), (State::Closed, 0), "checks are no evidence");
    health.store(200, SeqCst);
    said(&proxy, "is healthy again: 2 good checks in a row");
    eventually("calls reach both", || {
        let ports = answered_by(&proxy, 10);
        if ports.len() == 2 { Ok(()) } else { Err(format!("{ports:?}")) }
    });
}

#[test]
fn when_all_are_unwell_the_panic_rule_decides() {
    for (rule, status) in [("fall_back", 503), ("send_anyway", 200)] {
        let ((one, first), (other, second)) = (patient(), patient());
        [&first, &second].into_iter().for_each(|health| health.store(500, SeqCst));
        let rule = format!("{HEALTH}\nbalancer = {{ on_panic = \"{rule}\" }}");
        let proxy = run(&service(&[one.address, other.address], &rule));
        for endpoint in [one.address, other.address] {
            said(&proxy, &format!("endpoint s/{endpoint} is unhealthy"));
        }
        eventually("the rule is in force", || {
            let answer = get(proxy.address, "/");
            if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) }
        });
    }
}

#[test]
fn an_endpoint_that_cannot_be_asked_is_unwell() {
    let (hangs, kept) = drop_syns();
    let silent = Backend::start(|stream, _| {
        // Reads on, and never answers.
        let _ = stream.flush();
        true
    });
    let lies = Backend::answering("SSH-2.0-OpenSSH_9.2\r\n");
    for (endpoint, why) in [
        (nobody(), "no connection"),
        (hangs, "no answer in time"),
        (silent.address, "no answer in time"),
        (lies.address, "no HTTP response"),
    ] {
        let health =
            "health = { path = \"/healthz\", interval = \"30ms\", timeout = \"20ms\", unhealthy_after = 1 }";
        let proxy = run(&service(&[endpoint], health));
        said(&proxy, &format!("is unhealthy: 1 bad checks in a row, the last: {why}"));
        let answer = get(proxy.address, "/");
        assert_eq!((answer.status, answer.header("fusebox-reason")), (503, Some("no_endpoint")));
    }
    drop(kept);
}

#[test]
fn checks_are_counted_and_asked_once_however_many_workers_there_are() {
    let (backend, _) = patient();
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let proxy = run_after(admin, &service(&[backend.address], HEALTH));
    let admin = proxy.proxy().admin_address().expect("it listens");
    eventually("five checks are counted", || {
        let text = get(admin, "/metrics").text();
        let counted =
            text.lines().find(|line| line.starts_with("balancer_checks_total") && line.contains("good"));
        let counted = counted.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).unwrap_or(0);
        // One may be on its way, or just answered.
        let asked = backend.reached();
        if counted >= 5 && asked <= counted + 2 { Ok(()) } else { Err(format!("{counted} of {asked}")) }
    });
    let head = &backend.requests()[0].head;
    assert!(head.starts_with("GET /healthz HTTP/1.1\r\n") && head.contains("fusebox-health"), "{head}");
}
