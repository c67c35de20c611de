//! Stopping without hurting anybody who is being served.

use crate::support::{Backend, Client, before, eventually};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Answers once told to.
fn patient() -> (Backend, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let backend = Backend::start(move |stream, _| {
        let _ = told.lock().expect("not poisoned").recv();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    (backend, tell)
}

#[test]
fn calls_in_flight_finish_idle_connections_close_and_newcomers_are_refused() {
    let (backend, tell) = patient();
    let mut proxy = before(backend.address, "");
    let mut idle = Client::connect(proxy.address);
    let mut busy = Client::connect(proxy.address);
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the request", || if backend.reached() == 1 { Ok(()) } else { Err("nothing".into()) });

    let running = proxy.take();
    running.stopper().stop(LONG);
    assert!(idle.is_closed());
    eventually("a refusal", || match TcpStream::connect(proxy.address) {
        Err(_) => Ok(()),
        Ok(_) => Err("taken".into()),
    });
    tell.send(()).expect("the backend waits");
    let answer = busy.read();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(busy.is_closed());
    assert_eq!(running.wait().expect("no worker failed"), 0);
}

#[test]
fn what_outlasts_the_grace_is_cut_off_and_told() {
    let (backend, _tell) = patient();
    let mut proxy = before(backend.address, "");
    let circuit = proxy.proxy().registry().find("s").expect("it exists");
    let mut busy = Client::connect(proxy.address);
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the request", || if backend.reached() == 1 { Ok(()) } else { Err("nothing".into()) });
    assert_eq!(proxy.take().shutdown(Duration::from_millis(50)).expect("no worker failed"), 1);
    assert_eq!(busy.read().status, 0);
    assert_eq!(circuit.snapshot().totals.cancelled, 1);
}

#[test]
fn a_proxy_without_clients_stops_at_once() {
    let mut proxy = before(crate::support::nobody(), "");
    assert_eq!(proxy.take().shutdown(LONG).expect("no worker failed"), 0);
}
