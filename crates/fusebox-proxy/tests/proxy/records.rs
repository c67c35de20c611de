//! What operators read of calls: how long they took, how they failed, and in which trace.

use crate::support::{Answer, Backend, Client, eventually, get, run_after, service};
use serde_json::{Value, json};
use std::net::SocketAddr;

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Asks with a trace.
fn ask(address: SocketAddr, path: &str) -> u16 {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
    ));
    client.read().status
}

/// Asks the admin interface.
fn read(admin: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(admin);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client.read()
}

/// The only service's failures, once there are so many.
fn failures(admin: SocketAddr, count: usize) -> Value {
    eventually(&format!("{count} failing calls"), || {
        let told = read(admin, "/failures/s").json();
        let calls = told["calls"].as_array().map_or(0, Vec::len);
        if calls == count { Ok(told) } else { Err(told.to_string()) }
    })
}

#[test]
fn a_failing_call_is_shown_with_its_path_its_endpoint_and_its_trace_and_without_its_query() {
    let backend = Backend::status(503);
    let proxy = run_after(ADMIN, &service(&[backend.address], "retry = false"));
    let admin = proxy.proxy().admin_address().expect("it is on");
    assert_eq!(ask(proxy.address, "/charge?card=4111"), 503);
    let told = failures(admin, 1);
    assert_eq!(told["kinds"], json!([{"kind": "status 503", "count": 1}]));
    let call = &told["calls"][0];
    assert_eq!(
        (&call["what"], &call["endpoint"], &call["trace_id"]),
        (&json!("GET /charge"), &json!(backend.address.to_string()), &json!(TRACE))
    );
    assert!(!told.to_string().contains("4111"), "{told}");
    let latency = read(admin, "/latency/s").json();
    assert_eq!(latency["count"], 1);
    let (took, longest) = (call["duration_seconds"].as_f64(), latency["max_seconds"].as_f64());
    assert!(took == longest && took > Some(0.0), "{took:?} {longest:?}");
}

#[test]
fn each_attempt_is_one_and_an_attempt_that_ran_out_of_time_is_a_failing_one() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let backend = Backend::start(move |_, _| {
        let _ = told.lock().expect("not poisoned").recv();
        false
    });
    let more = "call_timeout = \"100ms\"\nretry = { max_attempts = 2, backoff = { base = \"1ms\" } }";
    let proxy = run_after(ADMIN, &service(&[backend.address], more));
    let admin = proxy.proxy().admin_address().expect("it is on");
    assert_eq!(get(proxy.address, "/slow").status, 504);
    let failed = failures(admin, 2);
    assert_eq!(failed["kinds"], json!([{"kind": "timeout", "count": 2}]));
    assert_eq!(failed["calls"][0]["trace_id"], Value::Null);
    let median = read(admin, "/latency/s").json()["p50_seconds"].as_f64().expect("two attempts");
    assert!(median > 0.09, "{median}");
    drop(tell);
}

#[test]
fn a_body_that_breaks_is_a_failing_call_with_the_latency_of_its_head() {
    let backend = Backend::closing_after("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    let proxy = run_after(ADMIN, &service(&[backend.address], ""));
    let admin = proxy.proxy().admin_address().expect("it is on");
    assert_eq!(ask(proxy.address, "/report"), 200);
    let told = failures(admin, 1);
    let call = &told["calls"][0];
    assert_eq!(
        (&call["kind"], &call["what"], &call["trace_id"]),
        (&json!("connection broken"), &json!("GET /report"), &json!(TRACE))
    );
    assert_eq!(read(admin, "/latency/s").json()["count"], 1);
}

#[test]
fn what_a_client_does_wrong_is_no_failing_call() {
    let backend = Backend::status(200);
    let proxy = run_after(ADMIN, &service(&[backend.address], ""));
    let admin = proxy.proxy().admin_address().expect("it is on");
    let mut client = Client::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n");
    assert_eq!(client.read().status, 400);
    assert_eq!(get(proxy.address, "/").status, 200);
    let latency = eventually("a call", || {
        let told = read(admin, "/latency/s").json();
        if told["count"] == 1 { Ok(told) } else { Err(told.to_string()) }
    });
    assert!(latency["p50_seconds"].as_f64() > Some(0.0));
    assert_eq!(failures(admin, 0)["kinds"], json!([]));
}

#[test]
fn metrics_are_pushed_to_a_collector_until_the_end() {
    let collector = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let backend = Backend::status(200);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("headers");
    std::fs::write(&file, "authorization: Bearer abc\n\nx-tenant:shop\n").expect("a file");
    let telemetry = format!(
        "admin = false\n[telemetry]\notlp = \"http://{}\"\ninterval = \"1h\"\nservice_name = \"edge\"\n\
         headers_file = {:?}\nresource = {{ \"deployment.environment.name\" = \"test\" }}\n",
        collector.address, file
    );
    let mut proxy = run_after(&telemetry, &service(&[backend.address], ""));
    assert_eq!(get(proxy.address, "/").status, 200);
    proxy.take().shutdown(std::time::Duration::ZERO).expect("no worker failed");
    let export = collector.requests().pop().expect("the last export");
    assert_eq!(export.line(), "POST /v1/metrics HTTP/1.1");
    assert_eq!(
        (export.values("authorization"), export.values("x-tenant")),
        (vec!["Bearer abc"], vec!["shop"])
    );
    let holds = |text: &str| export.body.windows(text.len()).any(|part| part == text.as_bytes());
    for text in ["circuit_breaker_call_duration_seconds", "edge", "deployment.environment.name"] {
        assert!(holds(text), "{text}");
    }
}
