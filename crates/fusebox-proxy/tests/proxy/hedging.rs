//! A second attempt beside a slow one.

use crate::support::{Backend, Client, eventually, get, run, service};
use std::io::{Read, Write};
use std::net::TcpStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const HEDGE: &str = "order = \"retry_outside\"\nretry = false\nhedge = { after = \"50ms\" }";

/// Waits until the proxy gives the attempt up.
fn hangs(stream: &mut TcpStream) -> bool {
    let _ = stream.read(&mut [0]);
    false
}

/// The first request to either of two backends hangs, and every other one is answered.
fn two() -> (Backend, Backend) {
    let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let backend = || {
        let first = first.clone();
        Backend::start(move |stream, _| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                return hangs(stream);
            }
            stream.write_all(OK).is_ok()
        })
    };
    (backend(), backend())
}

#[test]
fn the_first_good_answer_wins_and_the_other_connection_is_closed() {
    let (one, other) = two();
    let proxy = run(&service(&[one.address, other.address], HEDGE));
    let mut client = Client::connect(proxy.address);
    let answer = client.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "good"));
    assert_eq!((one.reached(), other.reached()), (1, 1), "the hedge goes elsewhere");
    eventually("the loser is let go", || match one.closed() + other.closed() {
        1 => Ok(()),
        closed => Err(closed.to_string()),
    });
    let cancelled = |backend: &Backend| proxy.circuit(&format!("s/{}", backend.address)).totals.cancelled;
    assert_eq!(cancelled(&one) + cancelled(&other), 1, "and is no failure");
    assert_eq!(client.get("/").status, 200, "the client's connection goes on");
}

#[test]
fn a_whole_body_is_in_both_attempts() {
    let (one, other) = two();
    let proxy = run(&service(&[one.address, other.address], HEDGE));
    let mut client = Client::connect(proxy.address);
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nwhole");
    assert_eq!(client.read().status, 200);
    let requests = [one.requests(), other.requests()].concat();
    assert!(requests.len() == 2 && requests.iter().all(|request| request.body == b"whole"));
}

#[test]
fn what_is_not_safe_to_repeat_or_not_there_yet_goes_once() {
    let backend = Backend::start(|stream, request| {
        // A body that comes later is read here.
        let mut rest = [0; 4];
        if request.values("x-body") == ["later"] && stream.read_exact(&mut rest).is_err() {
            return false;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        stream.write_all(OK).is_ok()
    });
    let proxy = run(&service(&[backend.address, backend.address], HEDGE).replacen(
        &format!("\"http://{}\"]", backend.address),
        &format!("\"http://localhost:{}\"]", backend.address.port()),
        1,
    ));
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.post("/", "once").status, 200);
    assert_eq!(backend.reached(), 1);
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nX-Body: later\r\nContent-Length: 4\r\n\r\n");
    eventually("it is asked", || if backend.reached() == 2 { Ok(()) } else { Err(String::new()) });
    std::thread::park_timeout(std::time::Duration::from_millis(150));
    client.send("late");
    assert_eq!((client.read().status, backend.reached()), (200, 2));
}

#[test]
fn a_bad_answer_waits_for_the_other_one() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let backend = Backend::start(move |stream, _| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            std::thread::park_timeout(std::time::Duration::from_millis(100));
            return stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad").is_ok();
        }
        std::thread::park_timeout(std::time::Duration::from_millis(200));
        stream.write_all(OK).is_ok()
    });
    let proxy = run(&service(&[backend.address], "retry = false\nhedge = { after = \"50ms\" }"));
    let answer = get(proxy.address, "/");
    assert_eq!((answer.status, answer.text().as_str(), backend.reached()), (200, "good", 2));
    proxy.settles_at((1, 0, 0, 0));
}
