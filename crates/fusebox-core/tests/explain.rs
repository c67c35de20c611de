//! Each doubt appears where there is reason for it, and is silent where there is none.

use fusebox_core::balancer::{self, Balancer, Spec};
use fusebox_core::breaker::{self, Setting};
use fusebox_core::bulkhead::{self, Bulkhead};
use fusebox_core::explain::{Doubt, doubts, percent, span, stage};
use fusebox_core::limiter::{self, RateLimiter};
use fusebox_core::pipeline::{Config, FallbackOn, Order, Pipeline};
use fusebox_core::timeout::{self, Timeout};
use fusebox_core::{Time, adaptive, retry};
use std::sync::Arc;
use std::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A pipeline that nothing is doubtful about.
fn sound() -> Config {
    Config { timeout: Some(secs(2)), fallback: Some(FallbackOn::Failed), ..Config::default() }
}

fn circuit() -> breaker::Settings {
    breaker::Config::default().check(Some(secs(2))).expect("works")
}

fn found(config: Config) -> Vec<Doubt> {
    doubts(&Pipeline::new(config), Some(&circuit()))
}

fn retries(max_attempts: u32) -> Option<retry::Settings> {
    Some(retry::Config { max_attempts, ..retry::Config::default() }.check().expect("works"))
}

fn endpoints(region: Option<&str>, regions: [&str; 2]) -> Option<Arc<Balancer>> {
    let config = balancer::Config { region: region.map(Into::into), ..balancer::Config::default() };
    let spec =
        |(i, region): (usize, &str)| Spec { region: Some(region.into()), ..Spec::named(&format!("e{i}")) };
    let specs: Vec<_> = regions.into_iter().enumerate().map(spec).collect();
    Some(Arc::new(Balancer::new(config.check().expect("works"), &specs, Time::ZERO)))
}

fn places(max_queue: u32, max_wait: Duration) -> Option<Arc<Bulkhead>> {
    let config = bulkhead::Config { max_queue, max_wait, ..bulkhead::Config::default() };
    Some(Arc::new(Bulkhead::new(config.check().expect("works"))))
}

#[test]
fn a_sound_pipeline_has_none() {
    assert_eq!(found(sound()), []);
    let whole = Config {
        deadline: Some(secs(10)),
        retry: retries(2),
        bulkhead: places(25, Duration::from_millis(100)),
        ..sound()
    };
    assert_eq!(found(whole), []);
}

#[test]
fn a_call_that_nothing_ends_and_one_that_only_the_deadline_ends_are_doubtful() {
    assert_eq!(found(Config { timeout: None, ..sound() }), [Doubt::NoTimeout]);
    let deadline = secs(9);
    let alone = Config { timeout: None, deadline: Some(deadline), ..sound() };
    assert_eq!(found(alone), [Doubt::DeadlineAlone { deadline }]);
    let (timeout, deadline) = (secs(2), secs(1));
    let shorter = Config { deadline: Some(deadline), ..sound() };
    assert_eq!(found(shorter), [Doubt::TimeoutOutlastsDeadline { timeout, deadline }]);
    let adaptive = timeout::Config::ADAPTIVE.check().expect("works");
    let learnt =
        Config { timeout: None, adaptive_timeout: Some(Arc::new(Timeout::new(adaptive))), ..sound() };
    assert_eq!(found(learnt), [], "an adaptive timeout ends one too");
}

#[test]
fn a_circuit_without_a_fallback_is_doubtful_and_a_policy_alone_is_not() {
    assert_eq!(found(Config { fallback: None, ..sound() }), [Doubt::NoFallback]);
    assert_eq!(found(Config { fallback: None, without_breaker: true, ..sound() }), []);
}

#[test]
fn retries_are_doubtful_where_they_stand_wrong_or_have_no_time_or_no_budget() {
    let stays = Config { retry: retries(2), balancer: endpoints(Some("a"), ["a", "a"]), ..sound() };
    assert_eq!(found(stays.clone()), [Doubt::RetryStays]);
    assert_eq!(found(Config { order: Order::RetryOutside, ..stays }), []);
    let outside = Config { order: Order::RetryOutside, retry: retries(3), ..sound() };
    assert_eq!(found(outside), [Doubt::RetryOutsideCircuit { attempts: 3 }]);
    let (timeout, attempts, deadline) = (secs(2), 3, secs(5));
    let short = Config { retry: retries(attempts), deadline: Some(deadline), ..sound() };
    assert_eq!(found(short), [Doubt::AttemptsOutlastDeadline { timeout, attempts, deadline }]);
    let free = retry::Config { budget: None, ..retry::Config::default() }.check().expect("works");
    assert_eq!(found(Config { retry: Some(free), ..sound() }), [Doubt::RetryWithoutBudget]);
}

#[test]
fn a_limit_that_goes_by_latency_should_not_see_retries() {
    let settings = bulkhead::Config::default().check().expect("works");
    let limit = adaptive::Config::default().check().expect("works");
    let learns = || Some(Arc::new(Bulkhead::adaptive(settings.clone(), limit, Time::ZERO)));
    let seed = Config { bulkhead: learns(), retry: retries(2), ..sound() };
    assert_eq!(found(seed), [Doubt::LimitSeesRetries]);
    assert_eq!(found(Config { bulkhead: learns(), ..sound() }), []);
}

#[test]
fn waits_are_doubtful_where_they_cannot_be() {
    assert_eq!(
        found(Config { bulkhead: places(9, secs(0)), ..sound() }),
        [Doubt::QueueNeverFills { queue: 9 }]
    );
    let wait = secs(1);
    assert_eq!(found(Config { bulkhead: places(0, wait), ..sound() }), [Doubt::WaitNeverWaited { wait }]);
    let (wait, deadline) = (secs(30), secs(3));
    let quota = limiter::Config { max_wait: wait, ..limiter::Config::default() }.check().expect("works");
    let rate_limiter = Some(Arc::new(RateLimiter::new(quota)));
    let long = Config { rate_limiter, deadline: Some(deadline), ..sound() };
    assert_eq!(found(long), [Doubt::WaitOutlastsDeadline { stage: "rate_limiter", wait, deadline }]);
}

#[test]
fn endpoints_in_several_regions_want_to_know_ours() {
    let unnamed = Config { balancer: endpoints(None, ["a", "b"]), ..sound() };
    assert_eq!(found(unnamed), [Doubt::RegionUnnamed]);
    assert_eq!(found(Config { balancer: endpoints(Some("a"), ["a", "b"]), ..sound() }), []);
    assert_eq!(found(Config { balancer: endpoints(None, ["a", "a"]), ..sound() }), []);
}

#[test]
fn a_circuits_own_doubts_are_told_with_their_field() {
    let config = breaker::Config { slow_call_duration: Setting::Is(secs(3)), ..breaker::Config::default() };
    let settings = config.check(Some(secs(2))).expect("works");
    let (slow, timeout) = (secs(3), secs(2));
    let never = doubts(&Pipeline::new(sound()), Some(&settings));
    assert_eq!(never, [Doubt::NeverSlow { slow, timeout }]);
    let hair = breaker::Config { consecutive_failures: Some(1), ..breaker::Config::default() };
    let hair = doubts(&Pipeline::new(sound()), Some(&hair.check(Some(secs(2))).expect("works")));
    let told = hair.iter().map(Doubt::to_string).collect::<Vec<_>>().join("; ");
    assert!(told.contains("breaker.consecutive_failures: "), "{told}");
    assert_eq!(doubts(&Pipeline::new(sound()), None), [], "somebody else's circuit is not judged");
}

#[test]
fn stages_say_what_they_do() {
    let config = Config {
        deadline: Some(secs(90)),
        retry: retries(3),
        balancer: endpoints(Some("a"), ["a", "b"]),
        bulkhead: places(0, secs(0)),
        ..sound()
    };
    let told: Vec<_> = Pipeline::new(config).stages().iter().flat_map(stage).collect();
    assert_eq!(
        told,
        [
            "answers a rejection or a failure",
            "round robin over 2 endpoints",
            "a is our region; calls go farther when less than 70\u{a0}% of what is nearer is fit, or as its latency nears 5s \
             (in other regions 15s)",
            "1m30s for the whole call",
            "25 calls at once; more are refused",
            "up to 3 attempts; waits 100ms ×2 up to 2s, jitter full; budget 10\u{a0}% of first tries + 1/s",
            "2s for one attempt",
        ]
    );
    assert_eq!(
        (percent(0.123_456_7), span(Duration::from_micros(1_500))),
        ("12.3457\u{a0}%".into(), "1.5ms".into())
    );
}
