//! What each circuit's attempts took, and which failed last.

use crate::scene::Scene;
use fusebox::record::TraceId;
use fusebox::retry::{self, Backoff, Jitter};
use fusebox::{Ask, CircuitBreaker, Clock, Failure, Fuse, Outcome, Registry};
use serde_json::{Value, json};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A call by hand that takes `millis`.
fn call(scene: &Scene, circuit: &CircuitBreaker, millis: u64, outcome: Outcome) {
    let permit = circuit.admit().expect("closed");
    scene.hand.advance(Duration::from_millis(millis));
    permit.settle(outcome);
}

#[test]
fn latencies_are_told_by_percentile_and_bucket() {
    let scene = Scene::new(9);
    let circuit = scene.circuit("pay/a");
    (0..98).for_each(|_| call(&scene, &circuit, 4, Outcome::Success));
    call(&scene, &circuit, 300, Outcome::Failure(Failure::Timeout));
    call(&scene, &circuit, 2_000, Outcome::Success);
    // They say nothing of what the dependency takes.
    call(&scene, &circuit, 9_000, Outcome::Ignored);
    drop(circuit.admit().expect("closed"));
    let told = scene.json("/latency/pay%2Fa");
    assert_eq!(
        (&told["name"], &told["count"], &told["max_seconds"]),
        (&json!("pay/a"), &json!(100), &json!(2.0))
    );
    let near = |field: &str, expected: f64| {
        let value = told[field].as_f64().expect("a number");
        assert!((value - expected).abs() <= expected / 16.0, "{field} {value}");
    };
    near("sum_seconds", 98.0 * 0.004 + 2.3);
    for (field, expected) in [("p50", 0.004), ("p90", 0.004), ("p99", 0.3), ("p999", 2.0)] {
        near(&format!("{field}_seconds"), expected);
    }
    let buckets = told["buckets"].as_array().expect("a list");
    let some: Vec<_> = buckets.iter().filter(|bucket| bucket["count"] != 0).cloned().collect();
    let bucket = |le: f64, count: u64| json!({"le_seconds": le, "count": count});
    assert_eq!(some, [bucket(0.005, 98), bucket(0.5, 1), bucket(2.0, 1)]);
    assert_eq!(buckets.last(), Some(&json!({"le_seconds": null, "count": 0})));
}

#[test]
fn a_circuit_without_calls_has_every_field() {
    let scene = Scene::new(9);
    let _idle = scene.circuit("idle");
    let told = scene.json("/latency/idle");
    let expected = json!({"count": 0, "sum_seconds": 0.0, "p50_seconds": null, "p999_seconds": null, "max_seconds": null});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&told[field], value, "{field}");
    }
    let told = scene.json("/failures/idle");
    assert_eq!((&told["kinds"], &told["calls"]), (&json!([]), &json!([])));
    for path in ["/latency/none", "/failures/none", "/latency/", "/failures/%ff"] {
        assert_eq!(scene.get(path).status, 404, "{path}");
    }
}

#[test]
fn failures_are_told_by_kind_and_the_last_ones_one_by_one() {
    let scene = Scene::new(9);
    let circuit = scene.circuit("pay");
    for kind in [Failure::Status(503), Failure::Timeout, Failure::Status(503)] {
        call(&scene, &circuit, 20, Outcome::Failure(kind));
    }
    let told = scene.json("/failures/pay");
    assert_eq!(told["kinds"], json!([{"kind": "status 503", "count": 2}, {"kind": "timeout", "count": 1}]));
    let calls = told["calls"].as_array().expect("a list");
    let kinds: Vec<_> = calls.iter().map(|call| call["kind"].as_str().expect("text")).collect();
    assert_eq!(kinds, ["status 503", "timeout", "status 503"]);
    assert_eq!(calls[0]["duration_seconds"], 0.02);
    let nothing = ["what", "endpoint", "trace_id"].map(|field| calls[0][field].clone());
    assert_eq!(nothing, [Value::Null, Value::Null, Value::Null]);
    assert!(calls[0]["at"].as_str() > calls[1]["at"].as_str(), "the newest first");
}

#[test]
fn every_attempt_of_a_fuse_is_recorded_with_what_its_call_says_of_itself() {
    let (clock, hand) = Clock::manual();
    let registry = Registry::with_clock(9, clock, fusebox::Rng::seeded(1));
    registry.start_recording();
    let circuit = registry.circuit("orders");
    let backoff = Backoff { base: Duration::from_millis(1), jitter: Jitter::Full, ..Backoff::default() };
    let fuse = Fuse::builder("orders")
        .circuit(circuit.clone())
        .retry(retry::Config { max_attempts: 3, backoff, ..retry::Config::default() })
        .build_blocking()
        .expect("a configuration that can work");
    let mut attempts = 0;
    let header = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let call = fuse
        .asking(Ask::default())
        .what("charge")
        .trace(TraceId::of_traceparent(&header).expect("well formed"));
    let result = call.call(|| {
        attempts += 1;
        hand.advance(Duration::from_millis(10));
        if attempts < 3 { Err("down") } else { Ok(()) }
    });
    assert_eq!((result.is_ok(), attempts), (true, 3));
    let seen = circuit.record().expect("recorded").snapshot();
    assert_eq!((seen.count(), seen.max()), (3, Duration::from_millis(10)), "each attempt for itself");
    let calls: Vec<_> =
        seen.calls().iter().map(|call| (call.what.as_deref(), call.trace.map(|it| it.to_string()))).collect();
    assert_eq!(calls, vec![(Some("charge"), Some(TRACE.to_owned())); 2]);
    assert!(seen.exemplars().expect("a trace").iter().flatten().all(|it| it.trace.to_string() == TRACE));
}

#[test]
fn a_panic_is_a_failing_call() {
    let scene = Scene::new(9);
    let circuit = scene.circuit("pay");
    let panicked = std::panic::catch_unwind(|| circuit.call(|| -> Result<(), ()> { panic!("oh") }));
    assert!(panicked.is_err());
    assert_eq!(scene.json("/failures/pay")["kinds"], json!([{"kind": "panic", "count": 1}]));
}

#[test]
fn nothing_is_recorded_until_somebody_asks_and_then_of_circuits_made_before_and_after() {
    let registry = Registry::default();
    let part = registry.part("tenants[other]", 3);
    let (before, within) = (registry.circuit("before"), part.circuit("within"));
    let fail = |circuit: &CircuitBreaker| drop(circuit.call(|| Err::<(), _>(())));
    fail(&before);
    fail(&within);
    assert!(before.record().is_none() && within.record().is_none());
    let _admin = fusebox::admin::Admin::new(registry.clone());
    let (after, later) = (registry.circuit("after"), part.circuit("later"));
    for circuit in [&before, &within, &after, &later] {
        fail(circuit);
        assert_eq!(circuit.record().expect("recorded").snapshot().count(), 1, "{}", circuit.name());
    }
}

#[expect(clippy::disallowed_methods, reason = "a dependency that takes its time")]
#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_out_of_time_failed_and_one_that_lost_to_a_hedge_did_not() {
    let registry = Registry::with_clock(9, Clock::tokio(), fusebox::Rng::seeded(1));
    registry.start_recording();
    let (slow, raced) = (registry.circuit("slow"), registry.circuit("raced"));
    let timeout = Duration::from_millis(200);
    let fuse = Fuse::builder("slow").circuit(slow.clone()).timeout(timeout).build().expect("works");
    let result = fuse.run(std::future::pending::<Result<(), ()>>).await;
    assert!(matches!(result, Err(fusebox::Error::TimedOut)));
    let seen = slow.record().expect("recorded").snapshot();
    assert_eq!((seen.kinds(), seen.max()), (&[(Some(Failure::Timeout), 1)][..], timeout));

    let after = fusebox::hedge::After::Fixed(Duration::from_millis(50));
    let hedge = fusebox::hedge::Config { after, ..fusebox::hedge::Config::default() };
    let fuse = Fuse::builder("raced").circuit(raced.clone()).hedge(hedge).build().expect("works");
    let mut attempts = 0;
    let result = fuse.run(|| {
        attempts += 1;
        let span = Duration::from_millis(if attempts == 1 { 900 } else { 10 });
        async move {
            tokio::time::sleep(span).await;
            Ok::<_, ()>(())
        }
    });
    assert!(result.await.is_ok());
    let seen = raced.record().expect("recorded").snapshot();
    assert_eq!(
        (seen.count(), seen.max(), seen.calls().len()),
        (1, Duration::from_millis(10), 0),
        "the winner's alone"
    );
}
