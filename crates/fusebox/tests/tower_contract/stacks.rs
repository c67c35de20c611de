//! Together with tower's own layers.

use crate::dependency::{Act, Broken, Dependency};
use crate::{SECOND, again_after, circuit, half_open, pipeline, totals, trip};
use fusebox::tower::{CircuitBreakerLayer, CircuitBreakerService, FuseLayer};
use fusebox::{CircuitBreaker, Error};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::limit::ConcurrencyLimit;
use tower::{Service, ServiceBuilder, ServiceExt};

/// A limit of one, inside the circuit.
fn limited(
    circuit: &CircuitBreaker,
    dependency: &Dependency,
) -> CircuitBreakerService<ConcurrencyLimit<Dependency>> {
    ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .concurrency_limit(1)
        .service(dependency.seen())
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_leaves_the_inner_reservation_with_its_service() {
    let (circuit, dependency) = (circuit(|_| {}), Dependency::default());
    let mut service = limited(&circuit, &dependency);
    let mut other = service.clone();
    trip(&circuit);
    service.ready().await.expect("the place is free");
    assert!(service.call(1).await.is_err_and(|error| error.is_rejected()));
    let mut waiting = task::spawn(other.ready());
    assert_pending!(waiting.poll(), "the place is kept");
    drop(service);
    assert!(waiting.is_woken(), "and goes with the service that kept it");
    assert_ready_ok!(waiting.poll());
    assert_eq!(dependency.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_was_kept_serves_the_next_call() {
    let (circuit, dependency) = (circuit(|_| {}), Dependency::default());
    let mut service = limited(&circuit, &dependency);
    service.ready().await.expect("the place is free");
    half_open(&circuit).await;
    trip_again(&circuit);
    assert!(service.call(1).await.is_err_and(|error| error.is_rejected()));
    let rejected = circuit.admit().expect_err("it is open");
    tokio::time::advance(rejected.retry_after.expect("it will probe")).await;
    assert_eq!(service.call(2).await, Ok(2), "the place it had reserved is enough");
    assert_eq!(dependency.calls(), 1);
}

fn trip_again(circuit: &CircuitBreaker) {
    circuit.admit().expect("a probe").failure();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_back_the_place_inside() {
    let (circuit, dependency) = (circuit(|_| {}), Dependency::playing([Act::Hang]));
    let mut service = limited(&circuit, &dependency);
    let mut other = service.clone();
    let mut call = task::spawn(service.ready().await.expect("the place is free").call(1));
    assert_pending!(call.poll());
    let mut waiting = task::spawn(other.ready());
    assert_pending!(waiting.poll());
    drop(call);
    assert!(waiting.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_back_the_place_outside() {
    let circuit = circuit(|_| {});
    trip(&circuit);
    let inner = CircuitBreakerLayer::new(circuit);
    let mut service = ServiceBuilder::new().concurrency_limit(1).layer(inner).service(Dependency::default());
    for _ in 0..10 {
        let ready = service.ready().await.expect("the place is free again");
        assert!(ready.call(1).await.is_err_and(|error| error.is_rejected()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_wait_for_the_place_of_its_own_first_attempt() {
    let fuse = pipeline().retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::FailAfter(SECOND), Act::SucceedAfter(SECOND)]);
    let service = ServiceBuilder::new()
        .layer(FuseLayer::new(fuse))
        .service(ConcurrencyLimit::new(dependency.seen(), 1));
    assert_eq!(service.oneshot(6).await, Ok(6));
    assert_eq!((dependency.calls(), dependency.most_in_flight()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_calls_share_places_and_circuit() {
    let fuse = pipeline().timeout(SECOND).retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::FailAfter(SECOND / 10); 5]);
    let service = ServiceBuilder::new()
        .layer(FuseLayer::new(fuse.clone()))
        .service(ConcurrencyLimit::new(dependency.seen(), 50));
    let calls: Vec<_> = (0..1000).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic"), Ok(n as u32));
    }
    assert!(dependency.most_in_flight() <= 50);
    assert_eq!((dependency.calls(), dependency.in_flight()), (1005, 0));
    assert!(!dependency.was_used_unready());
    assert_eq!((totals(fuse.circuit()).success, totals(fuse.circuit()).failure), (1000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_buffer_outside_keeps_the_type_of_the_error() {
    let circuit = circuit(|_| {});
    trip(&circuit);
    let inner = CircuitBreakerLayer::new(circuit);
    let mut service = ServiceBuilder::new().buffer(8).layer(inner).service(Dependency::default());
    for _ in 0..3 {
        let error = service.ready().await.expect("a buffer has room").call(1).await.expect_err("it is open");
        let error = error.downcast::<Error<Broken>>().expect("the type that the layer gave");
        assert!(error.is_rejected());
    }
}

#[tokio::test(start_paused = true)]
async fn a_buffer_inside_is_a_service_like_any() {
    let (circuit, dependency) = (circuit(|_| {}), Dependency::playing([Act::Fail]));
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let service = ServiceBuilder::new().layer(layer).buffer(8).service(dependency.seen());
    assert!(service.clone().oneshot(1).await.is_err());
    assert_eq!(service.oneshot(2).await.expect("an answer"), 2);
    assert_eq!((totals(&circuit).success, totals(&circuit).failure, dependency.calls()), (1, 1, 2));
}
