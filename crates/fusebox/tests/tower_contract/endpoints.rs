//! Several endpoints, two attempts at once, and what answers in their place.

use crate::dependency::{Act, Broken, Dependency};
use crate::{SECOND, again_after, is_owned, pipeline, totals, trip};
use fusebox::balancer::Spec;
use fusebox::fallback::Cause;
use fusebox::hedge::{self, After};
use fusebox::pipeline::{FallbackOn, Order};
use fusebox::tower::{EndpointsService, FuseLayer, HedgeLayer, policy};
use fusebox::{Clock, Error, FuseBuilder, Reason, bulkhead, limiter, retry, throttle};
use std::time::Duration;
use tower::{Layer, Service, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hedging() -> FuseBuilder {
    pipeline().hedge(hedge::Config { after: After::Fixed(ms(50)), ..hedge::Config::default() })
}

fn named(names: [&str; 2]) -> FuseBuilder {
    pipeline().endpoints(names.map(Spec::named)).order(Order::RetryOutside)
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_goes_beside_a_slow_one_and_the_loser_is_dropped() {
    let fuse = hedging().build().expect("works");
    let dependency = Dependency::playing([Act::SucceedAfter(SECOND), Act::SucceedAfter(ms(10))]);
    let began = Clock::tokio().now();
    let service = HedgeLayer::new(fuse.clone()).layer(dependency.seen());
    assert_eq!(service.oneshot(7).await, Ok(7));
    assert_eq!(Clock::tokio().now().since(began), ms(60));
    assert_eq!((dependency.calls(), dependency.most_in_flight(), dependency.in_flight()), (2, 2, 0));
    assert_eq!(totals(fuse.circuit()).success, 1, "one verdict of both");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_sent_twice_is_not_hedged() {
    let fuse = hedging().retry(again_after(SECOND)).build().expect("works");
    let dependency = Dependency::playing([Act::FailAfter(SECOND)]);
    let layer = HedgeLayer::new(fuse).replay(|request: &u32| *request != 7);
    assert_eq!(layer.layer(dependency.seen()).oneshot(7).await, Err(Error::Failed(Broken::Call)));
    assert_eq!(dependency.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_that_is_dropped_drops_both_attempts() {
    let fuse = hedging().build().expect("works");
    let dependency = Dependency::playing([Act::Hang, Act::Hang]);
    let call = HedgeLayer::new(fuse.clone()).layer(dependency.seen()).oneshot(7);
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    assert_eq!((dependency.calls(), dependency.in_flight()), (2, 0));
    assert_eq!(totals(fuse.circuit()).cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn calls_take_the_endpoints_in_turn_and_pass_over_an_open_one() {
    let fuse = named(["a", "b"]).build().expect("works");
    let (a, b) = (Dependency::default(), Dependency::default());
    let service = EndpointsService::new(fuse.clone(), [a.seen(), b.seen()]).expect("one each");
    for _ in 0..4 {
        service.clone().oneshot(1).await.expect("both are well");
    }
    assert_eq!((a.calls(), b.calls()), (2, 2));
    trip(fuse.circuit());
    for _ in 0..4 {
        service.clone().oneshot(1).await.expect("the other is well");
    }
    assert_eq!((a.calls(), b.calls()), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_the_other_endpoint() {
    let fuse = named(["a", "b"]).retry(again_after(ms(10))).build().expect("works");
    let (a, b) = (Dependency::playing([Act::Fail]), Dependency::default());
    let service = EndpointsService::new(fuse, [a.seen(), b.seen()]).expect("one each");
    assert_eq!(service.oneshot(3).await, Ok(3));
    assert_eq!((a.calls(), b.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_becomes_ready_runs_into_the_timeout() {
    let fuse = named(["a", "b"]).timeout(SECOND).retry(again_after(ms(10))).build().expect("works");
    let full = tower::limit::ConcurrencyLimit::new(Dependency::default(), 1);
    let mut holds = full.clone();
    holds.ready().await.expect("it takes the only place");
    let well = tower::limit::ConcurrencyLimit::new(Dependency::default(), 1);
    let service = EndpointsService::new(fuse.clone(), [full, well]).expect("one each");
    assert_eq!(service.oneshot(3).await, Ok(3));
    assert_eq!(totals(fuse.circuit()).failure, 1);
}

#[tokio::test(start_paused = true)]
async fn endpoints_change_and_those_that_stay_keep_their_circuits() {
    let fuse = named(["a", "b"]).build().expect("works");
    let (a, b, c) = (Dependency::default(), Dependency::default(), Dependency::default());
    let service = EndpointsService::new(fuse.clone(), [a.seen(), b.seen()]).expect("one each");
    trip(fuse.circuit());
    let endpoints = [(Spec::named("a"), a.seen()), (Spec::named("c"), c.seen())];
    let service = service.with_endpoints(endpoints).expect("two of them");
    for _ in 0..3 {
        service.clone().oneshot(1).await.expect("c is well");
    }
    assert_eq!((a.calls(), b.calls(), c.calls()), (0, 0, 3));
}

#[test]
fn as_many_services_as_endpoints_are_accepted() {
    let fuse = named(["a", "b"]).build().expect("works");
    let wrong = EndpointsService::new(fuse, [Dependency::default()]).expect_err("one is missing");
    let told = "use services = 1: 2, one for each endpoint of the pipeline, is accepted";
    assert_eq!(wrong.to_string(), told);
}

#[tokio::test]
async fn endpoints_can_be_sent_to_other_threads() {
    let fuse = named(["a", "b"]).build().expect("works");
    let mut service =
        EndpointsService::new(fuse, [(), ()].map(|()| Dependency::default())).expect("one each");
    is_owned(&service);
    is_owned(&service.call(1));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_a_rejection_and_a_failure_told_why() {
    let fuse = pipeline().build().expect("works");
    let why = |cause: Cause<'_, u32, Broken>| if cause.is_rejected() { 1 } else { 2 };
    let dependency = Dependency::playing([Act::Fail]);
    let service = FuseLayer::new(fuse.clone()).fallback(why).layer(dependency.seen());
    assert_eq!(service.clone().oneshot(7).await, Ok(2), "it failed");
    trip(fuse.circuit());
    assert_eq!(service.oneshot(7).await, Ok(1), "it was refused");
    assert_eq!(dependency.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_for_rejections_leaves_failures_alone() {
    let fuse = pipeline().fallback_on(FallbackOn::Rejected).build().expect("works");
    let dependency = Dependency::playing([Act::Fail]);
    let service = FuseLayer::new(fuse).fallback(|_: Cause<'_, u32, Broken>| 1).layer(dependency);
    assert_eq!(service.oneshot(7).await, Err(Error::Failed(Broken::Call)));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_panics_leaves_the_calls_own_result_and_is_counted() {
    let fuse = pipeline().build().expect("works");
    let dependency = Dependency::playing([Act::Fail]);
    let panics = |_: Cause<'_, u32, Broken>| -> u32 { panic!("a fallback that is broken") };
    let service = FuseLayer::new(fuse.clone()).fallback(panics).layer(dependency);
    assert_eq!(service.oneshot(7).await, Err(Error::Failed(Broken::Call)));
    let counted = format!("{:?}", fuse.fallbacks());
    assert!(counted.contains("panicked: 1"), "{counted}");
}

/// Answers after this many milliseconds; 0 fails at once.
fn waits() -> impl Service<u64, Response = u64, Error = String, Future: Send> + Clone + Send {
    service_fn(|millis: u64| async move {
        if millis == 0 {
            return Err("down".to_owned());
        }
        let _ = tokio::time::timeout(ms(millis), std::future::pending::<()>()).await;
        Ok(millis)
    })
}

fn reason<T>(result: Result<T, Error<String>>) -> Option<Reason> {
    match result {
        Err(Error::Rejected(rejected)) => Some(rejected.reason),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn every_policy_is_a_layer_of_its_own() {
    let places = bulkhead::Config { max_concurrent: 1, max_queue: 0, ..bulkhead::Config::default() };
    let full = policy::bulkhead("db", places).expect("works").layer(waits());
    let (first, second) = tokio::join!(full.clone().oneshot(10), full.oneshot(10));
    assert_eq!((first.is_ok(), reason(second)), (true, Some(Reason::BulkheadFull)));

    let quota = limiter::Config { permits: 1, burst: 1, ..limiter::Config::default() };
    let limited = policy::rate_limiter("db", quota).expect("works").layer(waits());
    assert!(limited.clone().oneshot(1).await.is_ok());
    assert_eq!(reason(limited.oneshot(1).await), Some(Reason::RateLimited));

    let timed = policy::timeout("db", ms(20)).expect("works").layer(waits());
    assert_eq!(timed.oneshot(30).await, Err(Error::TimedOut));

    let due = policy::deadline("db", ms(20)).expect("works").layer(waits());
    assert_eq!(due.oneshot(30).await, Err(Error::DeadlineExceeded));

    let again = policy::retry("db", again_after(ms(5))).expect("works").layer(waits());
    let began = Clock::tokio().now();
    assert_eq!(again.oneshot(0).await, Err(Error::Failed("down".into())));
    assert!(Clock::tokio().now().since(began) >= ms(5), "two attempts");

    let beside = hedge::Config { after: After::Fixed(ms(5)), ..hedge::Config::default() };
    assert_eq!(policy::hedge("db", beside).expect("works").layer(waits()).oneshot(9).await, Ok(9));

    let spare = policy::fallback("db", |_: Cause<'_, u64, String>| 42).expect("works").layer(waits());
    assert_eq!(spare.oneshot(0).await, Ok(42));

    let throttled = policy::throttle("db", throttle::Config::default()).expect("works").layer(waits());
    assert_eq!(throttled.oneshot(1).await, Ok(1));
    let adaptive = policy::adaptive_timeout("db", fusebox::timeout::Config::default()).expect("works");
    assert_eq!(adaptive.layer(waits()).oneshot(1).await, Ok(1));

    let wrong = policy::retry("db", retry::Config { max_attempts: 0, ..retry::Config::default() });
    assert!(wrong.expect_err("it cannot work").to_string().starts_with("use max_attempts = 0"));
}
