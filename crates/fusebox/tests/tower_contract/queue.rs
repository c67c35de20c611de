//! Calls that wait for a place or a turn.

use crate::pipeline;
use fusebox::tower::FuseLayer;
use fusebox::{Clock, Error, Reason, bulkhead, hedge, limiter};
use futures::future::join_all;
use std::time::Duration;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn places(max_concurrent: u64, max_queue: u32) -> bulkhead::Config {
    bulkhead::Config { max_concurrent, max_queue, max_wait: ms(1_000), ..bulkhead::Config::default() }
}

fn reason<T>(result: Result<T, Error<String>>) -> Option<Reason> {
    match result {
        Err(Error::Rejected(rejected)) => Some(rejected.reason),
        _ => None,
    }
}

/// Answers after 50 ms with how long it took to be called.
fn slow() -> impl Service<u32, Response = Duration, Error = String, Future: Send> + Clone {
    let began = Clock::tokio().now();
    service_fn(move |_: u32| async move {
        let called = Clock::tokio().now().since(began);
        let _ = tokio::time::timeout(ms(50), std::future::pending::<()>()).await;
        Ok(called)
    })
}

#[tokio::test(start_paused = true)]
async fn calls_queue_for_a_place_and_are_made_when_their_turn_comes() {
    let layer = FuseLayer::new(pipeline().bulkhead(places(1, 2)).build().expect("works"));
    let service = layer.layer(slow());
    let results = join_all((0..4).map(|i| service.clone().oneshot(i))).await;
    let called: Vec<_> = results.iter().flatten().map(|called| called.as_millis() / 10 * 10).collect();
    assert_eq!(called, [0, 50, 100]);
    let refused: Vec<_> = results.into_iter().filter_map(reason).collect();
    assert_eq!(refused, [Reason::BulkheadFull]);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_the_queue_leaves_its_turn_to_the_next() {
    let layer = FuseLayer::new(pipeline().bulkhead(places(1, 5)).build().expect("works"));
    let service = layer.layer(slow());
    let first = service.clone().oneshot(1);
    let gone = tokio::time::timeout(ms(20), service.clone().oneshot(2));
    let next = service.clone().oneshot(3);
    let (first, gone, next) = tokio::join!(first, gone, next);
    assert!(first.is_ok() && gone.is_err());
    assert_eq!(next.map(|called| called.as_millis() / 10), Ok(5));
    assert!(service.oneshot(4).await.is_ok(), "the place is whole");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_turn_under_a_rate_limit() {
    let limit = limiter::Config { permits: 10, burst: 1, max_wait: ms(500), ..limiter::Config::default() };
    let layer = FuseLayer::new(pipeline().rate_limiter(limit).build().expect("works"));
    let service = layer.layer(slow());
    let results = join_all((0..3).map(|i| service.clone().oneshot(i))).await;
    let called: Vec<_> = results.into_iter().flatten().map(|called| called.as_millis() / 10 * 10).collect();
    assert_eq!(called, [0, 100, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_cloned_has_nowhere_to_wait_and_is_refused_at_once() {
    let layer = FuseLayer::new(pipeline().bulkhead(places(1, 5)).build().expect("works")).once();
    let service = layer.layer(slow());
    let (first, second) = tokio::join!(service.clone().oneshot(1), service.clone().oneshot(2));
    assert!(first.is_ok());
    assert!(matches!(reason(second), Some(Reason::BulkheadFull | Reason::BulkheadTimeout)));
}

#[test]
#[should_panic(expected = "a Tower service has one inner service: its pipeline cannot have a Hedge")]
fn what_a_service_cannot_do_is_said_when_it_is_put_together() {
    let _ = FuseLayer::new(pipeline().hedge(hedge::Config::default()).build().expect("works"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_queued_is_made_by_the_service_that_was_made_ready() {
    let builder = pipeline().bulkhead(places(1, 2)).deadline(ms(10_000));
    let fuse = builder.build().expect("works");
    // Places inside, one for each service and its clones: what was taken by becoming ready is what the call goes with.
    let first = FuseLayer::new(fuse.clone()).layer(ConcurrencyLimit::new(slow(), 1));
    let mut second = FuseLayer::new(fuse).layer(ConcurrencyLimit::new(slow(), 1));
    let queued = async {
        tokio::task::yield_now().await;
        second.ready().await?.call(2).await
    };
    let (first, queued) = tokio::join!(first.oneshot(1), queued);
    assert!(first.is_ok());
    assert_eq!(queued.map(|called| called.as_millis() / 10), Ok(5));
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_sent_again_queues_too() {
    let fuse = pipeline().bulkhead(places(1, 2)).build().expect("works");
    let inner = slow();
    let posted = service_fn(move |_: http::Request<()>| inner.clone().oneshot(1));
    let service = FuseLayer::new(fuse).replay(fusebox::http::Idempotent).layer(posted);
    let post = || http::Request::post("/orders").body(()).expect("a request");
    let results = join_all([service.clone().oneshot(post()), service.clone().oneshot(post())]).await;
    let called: Vec<_> = results.iter().flatten().map(|called| called.as_millis() / 10 * 10).collect();
    assert_eq!(called, [0, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_alone_is_a_layer_as_well() {
    let fuse = pipeline().bulkhead(places(1, 1)).without_breaker().build().expect("works");
    let service = FuseLayer::new(fuse).layer(slow());
    let results = join_all((0..3).map(|i| service.clone().oneshot(i))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    assert_eq!(results.into_iter().filter_map(reason).collect::<Vec<_>>(), [Reason::BulkheadFull]);
    let config = limiter::Config { permits: 1, burst: 1, max_wait: ms(0), ..limiter::Config::default() };
    let fuse = pipeline().rate_limiter(config).without_breaker().build().expect("works");
    let service = FuseLayer::new(fuse).layer(slow());
    assert!(service.clone().oneshot(1).await.is_ok());
    assert_eq!(reason(service.oneshot(2).await), Some(Reason::RateLimited));
}
