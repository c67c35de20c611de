//! Endpoints in several regions: each circuit by where it is, and the others before cached or default answers.

use fusebox::balancer::{self, Spec};
use fusebox::breaker::{Setting, State};
use fusebox::outcome::Source;
use fusebox::test::Script;
use fusebox::{Clock, Fallbacks, Fuse, FuseBuilder, bulkhead, limiter, retry};
use std::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(name: &str, region: &str) -> Spec {
    Spec { region: Some(region.into()), ..Spec::named(name) }
}

/// Ours is the first one's region; calls there are slow from 5 s on, elsewhere from 15 s.
fn orders() -> FuseBuilder {
    Fuse::builder("orders")
        .clock(Clock::tokio())
        .endpoints([at("a", "eu"), at("b", "us")])
        .balancer(balancer::Config { region: Some("eu".into()), ..balancer::Config::default() })
        .breaker_at(|endpoint, circuit| {
            let ours = endpoint.region.as_deref() == Some("eu");
            circuit.slow_call_duration = Setting::Is(secs(if ours { 5 } else { 15 }));
        })
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_are_slow_here_and_not_across() {
    let fuse = orders().build().expect("works");
    let script = Script::new().answers(secs(10), Ok::<_, String>(()));
    fuse.run(|| script.call()).await.expect("an answer");
    let elsewhere = fuse.elsewhere().expect("one is");
    elsewhere.run(|| script.call()).await.expect("an answer");
    let slow: Vec<_> = fuse.circuits().map(|circuit| circuit.snapshot().totals.slow).collect();
    assert_eq!(slow, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_comes_later_has_the_settings_of_its_region() {
    let fuse = orders().build().expect("works");
    let fuse = fuse.with_endpoints([at("a", "eu"), at("c", "us"), at("d", "eu")]).expect("three");
    let slow = fuse.circuits().map(|circuit| circuit.core().settings().slow_call_duration());
    assert_eq!(slow.collect::<Vec<_>>(), [5, 15, 5].map(|slow| Some(secs(slow))));
    let names: Vec<_> = fuse.circuits().map(|circuit| circuit.name().to_string()).collect();
    assert_eq!(names, ["orders/a", "orders/c", "orders/d"]);
}

#[tokio::test(start_paused = true)]
async fn other_regions_answer_before_a_default_through_their_own_circuits_and_once() {
    let quota = limiter::Config { permits: 1, per: secs(60), burst: 1, ..limiter::Config::default() };
    let places = bulkhead::Config { max_concurrent: 1, max_queue: 0, ..bulkhead::Config::default() };
    let fuse =
        orders().rate_limiter(quota).bulkhead(places).retry(retry::Config::default()).build().expect("works");
    let elsewhere = fuse.elsewhere().expect("b is");
    assert_eq!(
        elsewhere.pipeline().describe(),
        "Balancer › Bulkhead › Breaker",
        "the quota is spent already"
    );
    let only_b = |endpoint: &str| std::future::ready(if endpoint == "b" { Ok("b") } else { Err("down") });
    let list = || Fallbacks::new().other_region_at(&elsewhere, only_b).or_default(|_| "none");
    let answer = fuse.run_chain_at(only_b, list()).await.expect("somebody answers");
    assert_eq!((answer.value, answer.source), ("b", Source::OtherRegion));
    // Over the quota the list is asked too, and it has a circuit of its own to obey.
    let b = fuse.circuits().nth(1).expect("two");
    while b.state() == State::Closed {
        b.admit().expect("closed").failure();
    }
    let answer = fuse.run_chain_at(only_b, list()).await.expect("somebody answers");
    assert_eq!((answer.value, answer.source), ("none", Source::Default));
}

#[test]
fn without_a_region_of_ours_nothing_is_elsewhere() {
    let fuse =
        Fuse::builder("orders").endpoints([at("a", "eu"), at("b", "us")]).build_blocking().expect("works");
    assert!(fuse.elsewhere().is_none());
    let alone = orders().endpoints([at("a", "eu")]).build_blocking().expect("works");
    assert!(alone.elsewhere().is_none());
}

#[test]
fn settings_that_cannot_work_at_one_endpoint_are_refused() {
    let wrong = orders().breaker_at(|_, circuit| circuit.failure_rate = Some(7.0)).build_blocking();
    assert!(wrong.expect_err("a rate of seven").to_string().contains("failure_rate = 7"));
}
