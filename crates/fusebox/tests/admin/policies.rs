//! What the metrics and `/pipelines` say of every policy.

use crate::scene::Scene;
use fusebox::balancer::Tried;
use fusebox::bulkhead::Entry;
use fusebox::pipeline::{Config, Pipeline};
use fusebox::telemetry::Subjects;
use fusebox::{Ask, Failure, Outcome, Priority, Rng};
use fusebox_core::SharedRng;
use fusebox_core::limiter::{self, RateLimiter};
use std::sync::Arc;
use std::task::Waker;

fn with(scene: &mut Scene, configs: Vec<Config>) {
    let pipelines = configs.into_iter().map(|config| ("pay".into(), Arc::new(Pipeline::new(config))));
    let subjects = Subjects { pipelines: pipelines.collect(), ..Subjects::default() };
    scene.admin = scene.admin.clone().with(subjects);
}

#[test]
fn every_series_of_every_policy_is_there_before_the_first_call() {
    let mut scene = Scene::new(1);
    let config = scene.every_policy();
    with(&mut scene, vec![config]);
    let body = scene.get("/metrics").body;
    let prefixes = ["rate_limiter_", "throttle_", "bulkhead_", "retry_", "hedge_", "timeout_", "balancer_"];
    let of = |prefix| body.lines().filter(|line| line.starts_with(prefix)).count();
    // Bulkhead and pool tell 16 each, the adaptive limit 9; each of two endpoints 14, the balancer 1.
    assert_eq!(prefixes.map(of), [8, 14, 16 + 16 + 9, 4, 5, 3, 2 * 14 + 1], "{body}");
    for line in body.lines().filter(|line| prefixes.iter().any(|prefix| line.starts_with(prefix))) {
        assert!(line.contains(r#"{service="pay""#), "{line}");
        let name = line.split('{').next().expect("a name");
        assert_eq!(body.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
        assert_eq!(body.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
        // A gradient limit measures as it begins.
        let start = if name == "bulkhead_limit_probes_total" { " 1" } else { " 0" };
        assert!(!name.ends_with("_total") || line.ends_with(start), "{line}");
    }
}

#[test]
fn a_policy_that_is_not_configured_has_no_family() {
    let mut scene = Scene::new(1);
    with(&mut scene, vec![Config::default()]);
    let body = scene.get("/metrics").body;
    for prefix in ["rate_limiter_", "throttle_", "bulkhead_", "retry_", "hedge_", "timeout_", "balancer_"] {
        assert!(!body.contains(prefix), "{prefix}");
    }
}

#[test]
fn each_policy_counts_under_its_own_name() {
    let mut scene = Scene::new(1);
    let config = scene.every_policy();
    let now = scene.registry.clock().now();
    let circuit = scene.circuit("pay");
    let Config {
        rate_limiter: Some(limiter),
        balancer: Some(balancer),
        throttle: Some(throttle),
        bulkhead: Some(bulkhead),
        hedge: Some(hedge),
        adaptive_timeout: Some(timeout),
        ..
    } = config.clone()
    else {
        panic!("every policy is there")
    };
    let rng = SharedRng::new(Rng::seeded(1));
    assert!(limiter.admit(0, now, now).is_ok());
    throttle.admit(Priority::High, &rng, now).expect("no refusals yet");
    assert!(matches!(bulkhead.enter(Ask::default(), now, now, Waker::noop()), Entry::Placed(_)));
    hedge.first_try(now);
    timeout.record(1_000_000, Outcome::Failure(Failure::Timeout), now);
    let picked = balancer.pick(Tried::default(), circuit.core(), &rng, now).expect("both are fit");
    balancer.settle(picked, Outcome::Success, 2_000_000, now);
    balancer.set_healthy(1 - picked, false, now);
    with(&mut scene, vec![config]);

    let (picked, other) = if picked == 0 { ("a:80", "b:80") } else { ("b:80", "a:80") };
    for (family, labels, value) in [
        ("rate_limiter_calls_total", r#",result="admitted""#, 1.0),
        ("throttle_sent_total", r#",priority="high""#, 1.0),
        ("throttle_sent_total", r#",priority="low""#, 0.0),
        ("bulkhead_in_use", r#",stage="bulkhead""#, 1.0),
        ("bulkhead_in_use", r#",stage="pool""#, 0.0),
        ("bulkhead_calls_total", r#",stage="bulkhead",result="admitted""#, 1.0),
        ("hedge_first_tries_total", "", 1.0),
        ("timeout_timed_out_total", "", 1.0),
        ("timeout_span_seconds", "", 1.0),
        ("balancer_picked_total", &format!(r#",endpoint="{picked}""#), 1.0),
        ("balancer_picked_total", &format!(r#",endpoint="{other}""#), 0.0),
        ("balancer_calls_total", &format!(r#",endpoint="{picked}",result="success""#), 1.0),
        ("balancer_healthy", &format!(r#",endpoint="{picked}""#), 1.0),
        ("balancer_healthy", &format!(r#",endpoint="{other}""#), 0.0),
    ] {
        assert_eq!(scene.sample(&format!(r#"{family}{{service="pay"{labels}}}"#)), value, "{family}{labels}");
    }
}

#[test]
fn routes_are_summed_and_a_policy_that_they_share_is_counted_once() {
    let mut scene = Scene::new(1);
    let now = scene.registry.clock().now();
    let limiter = || Some(Arc::new(RateLimiter::new(limiter::Settings::default())));
    let shared = Config { rate_limiter: limiter(), ..Config::default() };
    let own = Config { rate_limiter: limiter(), ..Config::default() };
    for limiter in [&shared, &own].into_iter().filter_map(|config| config.rate_limiter.as_ref()) {
        assert!(limiter.admit(0, now, now).is_ok());
    }
    with(&mut scene, vec![shared.clone(), shared, own]);
    assert_eq!(scene.sample(r#"rate_limiter_calls_total{service="pay",result="admitted"}"#), 2.0);
}

#[test]
fn a_chain_is_shown_in_order_with_its_state_and_the_advice_on_its_size() {
    let mut scene = Scene::new(1);
    let config = scene.every_policy();
    let now = scene.registry.clock().now();
    let bulkhead = config.bulkhead.clone().expect("there is one");
    assert!(matches!(bulkhead.enter(Ask::default(), now, now, Waker::noop()), Entry::Placed(_)));
    with(&mut scene, vec![config]);

    let shown = scene.json("/pipelines");
    assert!(shown["generated_at"].is_string() && shown["clock"] == now.as_nanos(), "{shown}");
    let pay = &shown["pipelines"][0];
    assert_eq!(pay["service"], "pay");
    let stages = pay["stages"].as_array().expect("a list");
    let names: Vec<_> = stages.iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(pay["chain"], names.join(" › "));
    assert_eq!(names.len(), 11, "{names:?}");
    let of = |name| stages.iter().find(|stage| stage["name"] == name).expect("a stage");
    assert_eq!(of("Bulkhead")["policy"]["in_use"], 1);
    assert!(of("Bulkhead")["policy"]["adaptive"]["limit"].is_u64());
    let advice = of("Bulkhead")["advice"].as_str().expect("a sentence");
    assert!(advice.contains("too few to judge a capacity of"), "{advice}");
    assert_eq!(of("Balancer")["policy"]["endpoints"][1]["name"], "b:80");
    let breaker = of("Breaker").as_object().expect("an object");
    assert!(breaker["policy"].is_null() && breaker["advice"].is_null(), "what does not apply is null");
}
