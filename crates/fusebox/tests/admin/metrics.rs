//! What the metrics say of a circuit, from its first moment on.

use crate::scene::{Scene, trip};
use fusebox::breaker::{Hold, Mode};
use fusebox::pipeline::{self, Pipeline};
use fusebox::telemetry::Subjects;
use fusebox::{Time, retry};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn every_series_of_a_circuit_is_there_before_its_first_call() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    let body = scene.get("/metrics").body;
    let series: Vec<_> = body.lines().filter(|line| line.contains(r#"circuit_name="pay""#)).collect();
    assert_eq!(series.len(), 1 + 10 + 6 + 4 + 7 + 15, "{body}");
    for line in series {
        assert!(line.ends_with("} 0"), "{line}");
    }
    for family in ["circuit_breaker_state", "circuit_breaker_calls_total", "fusebox_build_info"] {
        assert_eq!(body.matches(&format!("# HELP {family} ")).count(), 1);
        assert_eq!(body.matches(&format!("# TYPE {family} ")).count(), 1);
    }
}

#[test]
fn an_open_circuit_reads_half_open_once_its_wait_has_passed_without_traffic() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let state = r#"circuit_breaker_state{circuit_name="pay",service="pay"}"#;
    trip(&circuit);
    assert_eq!(scene.sample(state), 1.0);
    scene.wait(29);
    assert_eq!(scene.sample(state), 1.0);
    scene.wait(1);
    assert_eq!(scene.sample(state), 2.0);
    let change =
        r#"circuit_breaker_state_changes_total{circuit_name="pay",from_state="open",to_state="half_open"}"#;
    assert_eq!(scene.sample(change), 1.0);
}

#[test]
fn time_not_closed_counts_through_failed_recoveries() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let seconds = r#"circuit_breaker_not_closed_seconds{circuit_name="pay"}"#;
    trip(&circuit);
    scene.wait(31);
    circuit.admit().expect("a probe").failure();
    scene.wait(5);
    assert_eq!(scene.sample(seconds), 36.0, "the failed probe began a new state, not a new outage");
    scene.wait(30);
    for _ in 0..3 {
        circuit.admit().expect("a probe").success();
    }
    assert_eq!(scene.sample(seconds), 0.0);
    scene.wait(5);
    trip(&circuit);
    scene.wait(2);
    assert_eq!(scene.sample(seconds), 2.0, "the next outage counts from its own start");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "dates are compared with the wall clock they are made from")]
fn the_next_probe_has_a_date_while_there_is_one_to_wait_for() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let probe = r#"circuit_breaker_next_probe_timestamp_seconds{circuit_name="pay"}"#;
    assert_eq!(scene.sample(probe), 0.0);
    trip(&circuit);
    scene.wait(10);
    let unix = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let (before, told, after) = (unix(), scene.sample(probe), unix());
    assert!((before + 19.99..=after + 20.01).contains(&told), "{before} {told} {after}");
    scene.wait(20);
    assert_eq!(scene.sample(probe), 0.0, "half-open with free probes: nothing to wait for");
}

#[test]
fn each_result_is_counted_under_its_name() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    circuit.admit().expect("closed").success();
    circuit.admit().expect("closed").settle(fusebox::Outcome::Ignored);
    drop(circuit.admit().expect("closed"));
    let slow = circuit.admit().expect("closed");
    scene.wait(6);
    assert_eq!(scene.sample(r#"circuit_breaker_hung_calls{circuit_name="pay"}"#), 1.0);
    slow.success();
    let late = circuit.admit().expect("closed");
    trip(&circuit);
    late.success();
    assert!(circuit.admit().is_err());
    let of = |result| {
        scene.sample(&format!(r#"circuit_breaker_calls_total{{circuit_name="pay",result="{result}"}}"#))
    };
    let results = ["success", "failure", "rejected", "slow", "ignored", "cancelled", "late"].map(of);
    assert_eq!(results, [2.0, 10.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn rates_and_runs_are_those_of_the_window() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    circuit.admit().expect("closed").success();
    (0..3).for_each(|_| circuit.admit().expect("closed").failure());
    assert_eq!(scene.sample(r#"circuit_breaker_failure_rate{circuit_name="pay"}"#), 0.75);
    assert_eq!(scene.sample(r#"circuit_breaker_consecutive_failures{circuit_name="pay"}"#), 3.0);
    scene.wait(120);
    assert_eq!(
        scene.sample(r#"circuit_breaker_failure_rate{circuit_name="pay"}"#),
        0.0,
        "also with no traffic"
    );
}

#[test]
fn a_circuit_held_open_reads_open_and_names_its_override() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let now = scene.registry.clock().now();
    let expires = now + Duration::from_secs(60);
    let hold = Hold { mode: Mode::ForcedOpen, actor: "ann".into(), reason: "drill".into(), expires };
    circuit.core().hold(hold, now);
    let state = r#"circuit_breaker_state{circuit_name="pay",service="pay"}"#;
    let held =
        |mode| scene.sample(&format!(r#"circuit_breaker_override{{circuit_name="pay",mode="{mode}"}}"#));
    assert_eq!(scene.sample(state), 1.0);
    assert_eq!(["forced_open", "forced_closed", "disabled", "shadow"].map(held), [1.0, 0.0, 0.0, 0.0]);
    scene.wait(61);
    assert_eq!((scene.sample(state), held("forced_open")), (0.0, 0.0), "the hold ended with no traffic");
}

#[test]
fn no_counter_steps_back_from_scrape_to_scrape() {
    let scene = Scene::new(10);
    let circuits = ["a", "b", "c"].map(|name| scene.circuit(name));
    let mut last = HashMap::<String, f64>::new();
    for step in 0..400u64 {
        let circuit = &circuits[(step % 3) as usize];
        let is_outage = step / 100 % 2 == 0;
        match (circuit.admit(), step % 5) {
            (Ok(permit), 0) => drop(permit),
            (Ok(permit), _) if is_outage => permit.failure(),
            (Ok(permit), _) => permit.success(),
            (Err(_), _) => scene.wait(4),
        }
        for (series, value) in counters(&scene.get("/metrics").body) {
            let before = last.insert(series.clone(), value);
            assert!(before.is_none_or(|before| before <= value), "step {step}: {series} {before:?} {value}");
        }
    }
    for (from, to) in [("closed", "open"), ("open", "half_open"), ("half_open", "closed")] {
        let labels = format!(r#"{{circuit_name="a",from_state="{from}",to_state="{to}"}}"#);
        let changes = last[&format!("circuit_breaker_state_changes_total{labels}")];
        assert!(changes >= 1.0, "the walk goes from {from} to {to}");
    }
}

fn counters(body: &str) -> Vec<(String, f64)> {
    let samples = body.lines().filter(|line| !line.starts_with('#') && line.contains("_total"));
    let split = samples.map(|line| line.rsplit_once(' ').expect("a name and a value"));
    split.map(|(series, value)| (series.into(), value.parse().expect("a number"))).collect()
}

#[test]
fn circuits_beyond_a_thousand_are_told_under_one_name_and_counted() {
    let scene = Scene::new(1_200);
    let circuits: Vec<_> = (0..1_100).map(|i| scene.circuit(&format!("tenant-{i:04}"))).collect();
    circuits.iter().for_each(|circuit| circuit.admit().expect("closed").success());
    trip(&circuits[1_050]);
    let (success, failure) = ("success", "failure");
    let of = |name, result| {
        scene.sample(&format!(r#"circuit_breaker_calls_total{{circuit_name="{name}",result="{result}"}}"#))
    };
    assert_eq!(scene.sample("fusebox_metrics_capped"), 100.0);
    assert_eq!(of("tenant-0999", success), 1.0);
    assert_eq!((of("other", success), of("other", failure)), (100.0, 10.0));
    assert_eq!(scene.sample(r#"circuit_breaker_state{circuit_name="other",service="other"}"#), 1.0);
    assert!(!scene.get("/metrics").body.contains("tenant-1000"));
}

#[test]
fn a_full_registry_says_how_often_it_was_too_small() {
    let scene = Scene::new(2);
    let _held = ["a", "b"].map(|name| scene.circuit(name));
    scene.circuit("c").admit().expect("closed").success();
    scene.circuit("d").admit().expect("closed").success();
    assert_eq!(scene.sample("fusebox_circuits_turned_away_total"), 2.0);
    assert_eq!(scene.sample(r#"circuit_breaker_calls_total{circuit_name="other",result="success"}"#), 2.0);
    assert_eq!(scene.sample("fusebox_metrics_capped"), 0.0);
}

#[test]
fn denied_retries_are_summed_by_service() {
    let mut scene = Scene::new(2);
    let retrying = || {
        let retry = Some(retry::Settings::default());
        Arc::new(Pipeline::new(pipeline::Config { retry, ..pipeline::Config::default() }))
    };
    let (one, two) = (retrying(), retrying());
    let plain = Arc::new(Pipeline::breaker_only());
    for pipeline in [&one, &two] {
        let budget = pipeline.retry_budget().expect("on by default");
        let granted = (0..13).filter(|_| budget.withdraw(Time::from_secs(1))).count();
        assert_eq!(granted, 10, "the floor");
    }
    assert!(!scene.get("/metrics").body.contains("retry_budget"), "nobody asked");
    let name = |name: &str| name.to_owned();
    scene.admin = scene.admin.with(Subjects {
        pipelines: vec![(name("pay"), one), (name("pay"), two), (name("plain"), plain)],
        ..Subjects::default()
    });
    assert_eq!(scene.sample(r#"retry_budget_denied_total{service="pay"}"#), 6.0);
    assert!(!scene.get("/metrics").body.contains(r#"service="plain""#));
}
