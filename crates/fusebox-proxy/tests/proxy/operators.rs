//! What operators see on the admin listener.

use crate::support::{Backend, Client, eventually, get, run, service};
use std::io::Write;

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn the_admin_listener_tells_the_truth_with_and_without_traffic() {
    let backend = Backend::status(500);
    let more = "retry = false\n[service.breaker]\nwait_in_open = { base = \"500ms\", jitter = 0.0 }";
    let text = service(&[backend.address], more);
    let proxy = crate::support::run_after(ADMIN, &text);
    let admin = proxy.proxy().admin_address().expect("it is on");
    let state = |expected: &str| {
        eventually(expected, || {
            let metrics = get(admin, "/metrics").text();
            let line =
                metrics.lines().find(|line| line.starts_with("circuit_breaker_state{")).unwrap_or_default();
            if line.ends_with(expected) { Ok(metrics) } else { Err(line.to_owned()) }
        })
    };
    state(" 0");
    assert_eq!(get(admin, "/readyz").status, 200);
    for _ in 0..10 {
        get(proxy.address, "/");
    }
    let metrics = state(" 1");
    assert!(
        metrics.contains("circuit_breaker_calls_total{circuit_name=\"s\",result=\"failure\"} 10"),
        "{metrics}"
    );
    // The wait passes and nobody calls.
    state(" 2");
    let circuits = get(admin, "/circuits").text();
    assert!(circuits.contains("half_open") && circuits.contains("consecutive_failures"), "{circuits}");
}

#[test]
fn a_slow_reader_of_the_admin_listener_slows_nobody() {
    let backend = Backend::status(200);
    let proxy = crate::support::run_after(ADMIN, &service(&[backend.address], ""));
    let admin = proxy.proxy().admin_address().expect("it is on");
    let mut slow: Vec<_> =
        (0..100).map(|_| std::net::TcpStream::connect(admin).expect("it listens")).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /met");
    }
    for _ in 0..50 {
        assert_eq!(get(proxy.address, "/").status, 200);
    }
}

#[test]
fn while_it_drains_the_proxy_is_not_ready() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let backend = Backend::start(move |stream, _| {
        let _ = told.lock().expect("not poisoned").recv();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let mut proxy = crate::support::run_after(ADMIN, &service(&[backend.address], ""));
    let running = proxy.take();
    let admin = running.admin_address().expect("it is on");
    let mut busy = Client::connect(proxy.address);
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the request", || if backend.reached() == 1 { Ok(()) } else { Err("nothing".into()) });
    running.stopper().stop(std::time::Duration::from_secs(60));
    assert_eq!((get(admin, "/readyz").status, get(admin, "/healthz").status), (503, 200));
    tell.send(()).expect("the backend waits");
    assert_eq!(busy.read().status, 200);
    running.wait().expect("no worker failed");
}

#[test]
fn without_an_admin_address_there_is_none() {
    let proxy = run(&service(&[crate::support::nobody()], ""));
    assert_eq!(proxy.proxy().admin_address(), None);
}
