//! Prometheus' own checker reads what a scrape gives.

use crate::scene::{Scene, trip};
use fusebox::pipeline::Pipeline;
use fusebox::telemetry::Subjects;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

fn check(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "promtool could not be started ({error}). It is part of Prometheus; on Debian: apt-get install prometheus"
            )
        });
    let mut stdin = promtool.stdin.take().expect("piped");
    stdin.write_all(metrics.as_bytes()).expect("promtool reads its input");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && said.concat().is_empty(), "{}: {}", output.status, said.concat());
}

#[test]
fn promtool_accepts_an_empty_registry() {
    check(&Scene::new(1).get("/metrics").body);
}

#[test]
fn promtool_accepts_every_family_with_hostile_names_and_shared_series() {
    let mut scene = Scene::new(1_010);
    for name in
        ["pay/127.0.0.1:7001", "<img onerror=…>\"\n", "\\", "", "\r\t\u{0}", "# HELP x", "{}", "other"]
    {
        trip(&scene.circuit(name));
    }
    scene.wait(31);
    let _held: Vec<_> = (0..1_010).map(|i| scene.circuit(&format!("tenant-{i}"))).collect();
    let pipeline = Arc::new(Pipeline::new(scene.every_policy()));
    scene.admin = scene
        .admin
        .with(Subjects { pipelines: vec![("a \"quoted\" service".into(), pipeline)], ..Subjects::default() });
    let body = scene.get("/metrics").body;
    assert!(scene.sample("fusebox_metrics_capped") > 0.0 && body.contains("balancer_picked_total{"));
    check(&body);
}
