//! `max_connections`: an endpoint never has more connections than it may, from all workers together.

use crate::support::{
    Answer, Backend, Client, before, eventually, get, nobody, run_after, run_with, service,
};
use fusebox::breaker::State;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// Answers each request after so many milliseconds, and knows how many it had at once at most.
fn slow(millis: u64) -> (Backend, Arc<AtomicUsize>) {
    let (present, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let backend = Backend::start(move |stream, _| {
        most.fetch_max(present.fetch_add(1, SeqCst) + 1, SeqCst);
        pause(millis);
        present.fetch_sub(1, SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    (backend, seen)
}

fn pause(millis: u64) {
    thread::park_timeout(Duration::from_millis(millis));
}

/// So many clients at once, each with so many calls on one connection.
fn clients(address: SocketAddr, many: usize, calls: usize) -> Vec<Answer> {
    let client = move || {
        let mut client = Client::connect(address);
        (0..calls).map(|_| client.get("/")).collect::<Vec<_>>()
    };
    let clients: Vec<_> = (0..many).map(|_| thread::spawn(client)).collect();
    clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
}

fn open(backend: &Backend) -> usize {
    backend.connections() - backend.closed()
}

#[test]
fn two_workers_share_one_connection_and_nobody_starves() {
    let (backend, most) = slow(1);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"10s\", max_queue = 100 }";
    let proxy = run_with(&service(&[backend.address], limit), 2);
    let answers = clients(proxy.address, 16, 10);
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers.iter().map(|a| a.status));
    assert_eq!(most.load(SeqCst), 1, "never two at once");
    assert!(open(&backend) <= 1);
}

#[test]
fn a_connection_that_rests_with_one_worker_is_closed_for_a_call_of_another() {
    let backend = Backend::status(200);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"5s\" }";
    let proxy = run_with(&service(&[backend.address], limit), 2);
    // Clients land on either worker; each call leaves the only connection at rest with its own.
    let answers: Vec<_> = (0..40).map(|_| get(proxy.address, "/").status).collect();
    assert_eq!(answers, [200; 40]);
    assert!(open(&backend) <= 1);
}

#[test]
fn who_finds_no_connection_in_time_is_refused_and_that_says_nothing_of_the_endpoint() {
    let (backend, _) = slow(400);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"50ms\" }\nretry = false";
    let proxy = before(backend.address, limit);
    let answers = clients(proxy.address, 4, 1);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(refused.len(), 3, "{answers:?}");
    for answer in refused {
        assert_eq!(answer.header("fusebox-reason"), Some("connections_full"));
        assert_eq!(answer.header("fusebox-policy"), Some("max_connections"));
        assert_eq!(answer.header("fusebox-outcome"), Some("rejected"));
    }
    proxy.settles_at((1, 0, 3, 0));
    assert_eq!((proxy.state(), backend.reached()), (State::Closed, 1));
}

#[test]
fn waiting_for_a_connection_is_not_the_attempts_time() {
    let (backend, _) = slow(120);
    let limit =
        "max_connections = { per_endpoint = 1, max_wait = \"5s\" }\ncall_timeout = \"200ms\"\nretry = false";
    let proxy = before(backend.address, limit);
    let answers = clients(proxy.address, 5, 1);
    assert!(answers.iter().all(|answer| answer.status == 200), "the last one waits for half a second");
    proxy.settles_at((5, 0, 0, 0));
    assert_eq!(proxy.circuit("s").totals.slow, 5, "slow is half of the timeout, not the wait");
}

#[test]
fn the_fallback_answers_where_there_is_no_connection() {
    let (backend, _) = slow(300);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"0s\" }\nfallback = { body = \"spare\" }";
    let proxy = before(backend.address, limit);
    let answers = clients(proxy.address, 3, 1);
    let spare = answers.iter().filter(|answer| answer.text() == "spare").count();
    assert_eq!(spare, 2, "{answers:?}");
}

#[test]
fn a_client_that_leaves_the_line_leaves_nothing_behind() {
    let (backend, _) = slow(100);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"5s\" }";
    let proxy = before(backend.address, limit);
    let mut first = Client::connect(proxy.address);
    first.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    for _ in 0..5 {
        let mut gone = Client::connect(proxy.address);
        gone.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    assert_eq!(first.read().status, 200);
    assert_eq!(get(proxy.address, "/").status, 200);
    assert!(open(&backend) <= 1);
}

#[test]
fn a_place_comes_back_from_every_connection_that_cannot_be_had() {
    let nobody = nobody();
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"0s\" }\nretry = false\nbreaker = { consecutive_failures = 1000, failure_rate = false }";
    let proxy = before(nobody, limit);
    for _ in 0..20 {
        assert_eq!(get(proxy.address, "/").header("fusebox-reason"), Some("connection_refused"));
    }
    proxy.settles_at((0, 20, 0, 0));
}

#[test]
fn a_place_comes_back_from_a_connection_that_was_cut() {
    let backend = Backend::start(|_, _| false);
    let limit = "max_connections = { per_endpoint = 1, max_wait = \"2s\" }\nretry = false\nbreaker = { consecutive_failures = 1000, failure_rate = false }";
    let proxy = before(backend.address, limit);
    for _ in 0..10 {
        assert_eq!(get(proxy.address, "/").status, 502);
    }
    backend.turn_to(200);
    assert_eq!(get(proxy.address, "/").status, 200);
}

#[test]
fn operators_see_the_places_and_who_waits() {
    let backend = Backend::status(200);
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let proxy = run_after(admin, &service(&[backend.address], "max_connections = 3"));
    assert_eq!(get(proxy.address, "/").status, 200);
    let admin = proxy.proxy().admin_address().expect("it listens");
    let labels = format!("{{service=\"s\",endpoint=\"{}\"}}", backend.address);
    eventually("the connection at rest is counted", || {
        let text = get(admin, "/metrics").text();
        let counted = text.contains(&format!("connection_pool_in_use{labels} 1\n"))
            && text.contains(&format!("connection_pool_capacity{labels} 3\n"));
        if counted { Ok(()) } else { Err(text) }
    });
    let shown = &get(admin, "/pipelines").json()["connections"][0];
    assert_eq!((&shown["service"], &shown["places"]["in_use"]), (&"s".into(), &1.into()));
}
