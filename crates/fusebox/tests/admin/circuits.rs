//! What `/circuits` says of a circuit through its life.

use crate::scene::{Scene, trip};
use fusebox::breaker::{
    Config, HalfOpen, Hold, Mode, Preset, Ramp, RunMode, Setting, WaitInOpen, WaitStrategy,
};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_new_circuit_is_told_whole() {
    let scene = Scene::new(10);
    scene.circuit("pay");
    scene.wait(2);
    let mut all = scene.json("/circuits");
    assert_date(&all["generated_at"]);
    let circuit = &mut all["circuits"][0];
    assert_date(&circuit["since"].take());
    let expected = json!({
        "name": "pay", "service": "pay", "state": "closed", "shadow": null, "ramp": null, "since": null, "since_seconds_ago": 2.0,
        "not_closed_since": null, "not_closed_seconds": 0.0, "epoch": circuit["epoch"], "revision": "0", "retry_at": null, "retry_after_ms": null,
        "reason": null, "last_trip": null, "hold": null, "streak": 0, "recovery_seconds": null,
        "window": { "calls": 0, "failures": 0, "slow": 0, "failure_rate": 0.0, "slow_rate": 0.0 },
        "consecutive_failures": 0, "hung": 0,
        "rejected_per_second": 0.0, "calls_per_second": 0.0, "failures_per_second": 0.0, "spark": [],
        "probes": { "in_flight": 0, "good": 0, "bad": 0 },
        "totals": {
            "success": 0, "failure": 0, "rejected": 0, "slow": 0, "ignored": 0, "cancelled": 0, "late": 0,
            "recovering": 0, "would_reject": 0, "unenforced": 0, "trips": 0, "internal_faults": 0
        },
        "settings": {
            "shadow": false, "enforcement": 1.0, "recovery_ramp": null,
            "window": { "seconds": 60.0, "calls": null },
            "rules": {
                "consecutive_failures": 10, "failure_count": null, "failure_rate": null, "slow_call_rate": 0.8,
                "minimum_calls": 10, "slow_call_seconds": 5.0, "slow_counts_as_failure": false, "hung_calls": true
            },
            "wait_in_open": {
                "strategy": "fixed", "base_seconds": 30.0, "multiplier": null, "percentile": null,
                "max_seconds": null, "jitter": 0.0
            },
            "half_open": {
                "probes": 3, "success_threshold": 3, "probe_failures": 1, "sample": null, "failure_rate": null,
                "probe_lease_seconds": 30.0, "limit_seconds": null
            }
        }
    });
    assert_eq!(*circuit, expected);
}

#[test]
fn a_trip_is_told_as_a_sentence_and_as_numbers() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    trip(&circuit);
    assert!(circuit.admit().is_err());
    scene.wait(10);
    let told = scene.json("/circuits/pay");
    assert_eq!((&told["state"], &told["retry_after_ms"]), (&json!("open"), &json!(20_000)));
    assert_eq!((&told["not_closed_seconds"], &told["since_seconds_ago"]), (&json!(10.0), &json!(10.0)));
    assert_date(&told["retry_at"]);
    let sentence = "consecutive_failures 10 ≥ 10 (last: status 503 ×4)";
    assert_eq!(told["reason"], sentence);
    let mut trip = told["last_trip"].clone();
    assert_date(&trip["at"].take());
    let expected = json!({
        "text": sentence, "rule": "consecutive_failures", "counted": 10, "calls": trip["calls"], "threshold": 10,
        "rate": null, "measured": null, "hung": 0, "window": { "seconds": 60.0, "calls": null },
        "last_failures": ["status 503", "status 503", "status 503", "status 503"], "at": null, "seconds_ago": 10.0
    });
    assert_eq!(trip, expected);
    assert_eq!((&told["totals"]["trips"], &told["totals"]["rejected"]), (&json!(1), &json!(1)));
}

#[test]
fn a_circuit_that_shadows_tells_the_state_it_would_be_in_and_a_ramp_tells_its_share() {
    let scene = Scene::new(10);
    let ramp = Some(Ramp { from: 0.25, over: Duration::from_secs(100) });
    let config = Config { mode: RunMode::Shadow, recovery_ramp: ramp, ..Config::default() };
    let shadows = scene.registry.circuit_with("shadows", &config).expect("valid");
    trip(&shadows);
    let told = scene.json("/circuits/shadows");
    assert_eq!((&told["state"], &told["shadow"]), (&json!("closed"), &json!("open")));
    assert_eq!(told["settings"]["recovery_ramp"], json!({ "from": 0.25, "over_seconds": 100.0 }));
    assert!(told["settings"]["shadow"] == true && told["totals"]["would_reject"] == 0, "{told}");

    let recovers =
        scene.registry.circuit_with("recovers", &Config { mode: RunMode::Enforce, ..config }).expect("valid");
    trip(&recovers);
    scene.wait(300);
    while recovers.snapshot().ramp.is_none() {
        recovers.admit().expect("a probe").success();
    }
    assert_eq!(scene.json("/circuits/recovers")["ramp"], 0.25);
}

#[test]
fn a_rate_is_told_with_its_threshold_and_what_was_measured() {
    let scene = Scene::new(10);
    let circuit = scene.registry.circuit_with("pay", &Preset::Resilience4j.config()).expect("valid");
    (0..100).for_each(|i| {
        let permit = circuit.admit().expect("closed");
        if i % 5 < 2 { permit.success() } else { permit.failure() }
    });
    let trip = &scene.json("/circuits/pay")["last_trip"];
    assert_eq!(
        (&trip["rule"], &trip["rate"], &trip["threshold"]),
        (&json!("failure_rate"), &json!(0.5), &Value::Null)
    );
    assert_eq!((&trip["measured"], &trip["calls"]), (&json!(0.6), &json!(100)));
    assert_eq!(trip["window"], json!({ "seconds": null, "calls": 100 }));
}

#[test]
fn a_circuit_reads_half_open_once_its_wait_has_passed_and_gives_no_reason_once_closed() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    trip(&circuit);
    scene.wait(30);
    let told = scene.json("/circuits/pay");
    assert_eq!((&told["state"], &told["retry_at"]), (&json!("half_open"), &Value::Null));
    let probe = circuit.admit().expect("a probe");
    let told = scene.json("/circuits/pay");
    assert_eq!(told["probes"], json!({ "in_flight": 1, "good": 0, "bad": 0 }));
    probe.success();
    (0..2).for_each(|_| circuit.admit().expect("a probe").success());
    let told = scene.json("/circuits/pay");
    assert_eq!((&told["state"], &told["reason"]), (&json!("closed"), &Value::Null));
    assert_eq!(told["last_trip"]["counted"], 10, "kept for who asks what happened");
}

#[test]
fn a_hold_is_told_with_who_why_and_until_when() {
    let scene = Scene::new(10);
    let circuit = scene.circuit("pay");
    let now = scene.registry.clock().now();
    let expires = now + Duration::from_secs(60);
    let hold = Hold { mode: Mode::ForcedOpen, actor: "ann".into(), reason: "a drill".into(), expires };
    circuit.core().hold(hold, now);
    let mut told = scene.json("/circuits/pay");
    assert_date(&told["hold"]["expires_at"].take());
    let expected = json!({
        "mode": "forced_open", "actor": "ann", "reason": "a drill", "expires_at": null, "expires_in_seconds": 60.0
    });
    assert_eq!((&told["state"], &told["hold"]), (&json!("open"), &expected));
    assert_eq!(told["reason"], "forced_open by ann: a drill");
    assert_eq!(told["retry_after_ms"], 60_000);
}

#[test]
fn other_strategies_are_told_by_their_own_numbers() {
    let scene = Scene::new(10);
    let (base, max) = (Duration::from_secs(2), Duration::from_secs(9));
    let adaptive = WaitStrategy::Adaptive { percentile: 0.5, base, max };
    let config = Config {
        wait_in_open: WaitInOpen { strategy: adaptive, jitter: 0.25 },
        half_open: HalfOpen::Sample { sample: 4, failure_rate: 0.5 },
        slow_call_duration: Setting::Off,
        half_open_limit: Some(Duration::from_millis(1_500)),
        ..Config::default()
    };
    scene.registry.circuit_with("pay", &config).expect("valid");
    let settings = &scene.json("/circuits/pay")["settings"];
    let wait = json!({
        "strategy": "adaptive", "base_seconds": 2.0, "multiplier": null, "percentile": 0.5, "max_seconds": 9.0,
        "jitter": 0.25
    });
    assert_eq!(settings["wait_in_open"], wait);
    assert_eq!(
        (&settings["half_open"]["sample"], &settings["half_open"]["limit_seconds"]),
        (&json!(4), &json!(1.5))
    );
    assert_eq!(settings["rules"]["slow_call_seconds"], Value::Null);
    assert_eq!(settings["rules"]["hung_calls"], false);
}

#[test]
fn names_with_slashes_are_found_plain_and_encoded() {
    let scene = Scene::new(10);
    scene.circuit("pay/127.0.0.1:7001");
    for path in ["/circuits/pay/127.0.0.1:7001", "/circuits/pay%2F127.0.0.1%3a7001?pretty"] {
        assert_eq!(scene.json(path)["name"], "pay/127.0.0.1:7001");
    }
}

fn assert_date(value: &Value) {
    let date = value.as_str().unwrap_or_else(|| panic!("a date, not {value}"));
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{date}");
}
