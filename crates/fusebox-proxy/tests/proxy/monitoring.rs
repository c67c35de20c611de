//! A real Prometheus scrapes the admin interface, and finds the trace of a slow call.

use crate::support::{Backend, Client, eventually, get, run_after, service};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one in `folder`, which scrapes `target` every second.
fn prometheus(folder: &std::path::Path, target: SocketAddr) -> (Prometheus, SocketAddr) {
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - job_name: fusebox\n    static_configs: [{{ targets: ['{target}'] }}]\n"
    );
    fs::write(folder.join("prometheus.yml"), config).expect("a folder that can be written");
    let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let child = Command::new("prometheus")
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--enable-feature=exemplar-storage",
        ])
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = child.expect("prometheus is there; on Debian: apt-get install prometheus");
    (Prometheus(child), address)
}

#[test]
fn prometheus_scrapes_open_metrics_and_keeps_the_exemplar() {
    let backend = Backend::status(200);
    let proxy = run_after("[admin]\nlisten = \"127.0.0.1:0\"\n", &service(&[backend.address], ""));
    let admin = proxy.proxy().admin_address().expect("it is on");
    let mut client = Client::connect(proxy.address);
    client
        .send(format!("GET / HTTP/1.1\r\nHost: test\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"));
    assert_eq!(client.read().status, 200);
    let folder = tempfile::tempdir().expect("a folder");
    let (_prometheus, address) = prometheus(folder.path(), admin);
    eventually("Prometheus", || std::net::TcpStream::connect(address).map_err(|error| error.to_string()));
    let ask = |path: &str| -> Value { get(address, path).json() };
    eventually("a scrape", || {
        let up = ask("/api/v1/query?query=circuit_breaker_call_duration_seconds_count");
        let value = up["data"]["result"][0]["value"][1].clone();
        if value == "1" { Ok(()) } else { Err(up.to_string()) }
    });
    let asked =
        "/api/v1/query_exemplars?query=circuit_breaker_call_duration_seconds_bucket&start=0&end=9999999999";
    let exemplar = eventually("an exemplar", || {
        let found = ask(asked);
        let exemplar = found["data"][0]["exemplars"][0].clone();
        if exemplar.is_null() { Err(found.to_string()) } else { Ok(exemplar) }
    });
    assert_eq!(exemplar["labels"]["trace_id"], TRACE);
    let target = &ask("/api/v1/targets")["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
}
