//! One circuit before a service: readiness, admission, refusal, judgement.

use crate::dependency::{Act, Broken, Dependency, Readiness};
use crate::{SECOND, call, circuit, half_open, totals, trip};
use fusebox::breaker::{HalfOpen, State, Totals};
use fusebox::tower::{CircuitBreakerLayer, CircuitBreakerService};
use fusebox::{CircuitBreaker, Error, Failure, Reason, Verdict, classify};
use std::sync::Arc;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let dependency = Dependency::default();
    dependency.will_be([Readiness::Pending]);
    let mut service = CircuitBreakerService::new(dependency.seen(), circuit(|_| {}));
    let mut asked = task::spawn(());
    asked.enter(|cx, _| assert_pending!(service.poll_ready(cx)));
    assert!(!asked.is_woken());
    dependency.wake();
    assert!(asked.is_woken());
    asked.enter(|cx, _| assert_ready_ok!(service.poll_ready(cx)));
}

#[tokio::test]
async fn a_readiness_error_is_passed_on_and_counts_nothing() {
    let (dependency, circuit) = (Dependency::default(), circuit(|_| {}));
    dependency.will_be([Readiness::Broken; 20]);
    let mut service = CircuitBreakerService::new(dependency, circuit.clone());
    let mut asked = task::spawn(());
    for _ in 0..20 {
        let error = asked.enter(|cx, _| assert_ready_err!(service.poll_ready(cx)));
        assert_eq!(error, Error::Failed(Broken::Readiness));
    }
    assert_eq!(totals(&circuit), Totals::default());
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_does_not_show_in_readiness() {
    let circuit = circuit(|_| {});
    trip(&circuit);
    let mut service = CircuitBreakerService::new(Dependency::default(), circuit);
    task::spawn(()).enter(|cx, _| assert_ready_ok!(service.poll_ready(cx)));
}

#[tokio::test(start_paused = true)]
async fn becoming_ready_takes_no_probe() {
    let circuit = circuit(|config| config.half_open_probes = 1);
    half_open(&circuit).await;
    let dependency = Dependency::playing([Act::Hang]);
    let mut services = [(); 3].map(|()| CircuitBreakerService::new(dependency.seen(), circuit.clone()));
    for service in &mut services {
        service.ready().await.expect("the inner service is ready");
    }
    assert_eq!(circuit.snapshot().probes.in_flight, 0);
    let admitted = services[0].call(1);
    let refused = services[1].call(2).await.expect_err("the only probe is taken");
    assert!(matches!(refused, Error::Rejected(rejected) if rejected.reason == Reason::HalfOpenFull));
    assert_eq!((dependency.calls(), circuit.snapshot().probes.in_flight), (1, 1));
    drop(admitted);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_touch_the_inner_service() {
    let circuit = circuit(|_| {});
    trip(&circuit);
    let dependency = Dependency::default();
    let mut service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    for _ in 0..10 {
        let refused = call(&mut service, 1).await.expect_err("it is open");
        let Error::Rejected(rejected) = refused else { panic!("refused, not {refused:?}") };
        assert_eq!((&*rejected.circuit, rejected.reason), ("dependency", Reason::Open));
    }
    assert_eq!((dependency.calls(), dependency.clones()), (0, 0));
    assert_eq!(totals(&circuit).failure, 10, "those that opened it");
    // What was reserved by becoming ready is still there for the next call.
    assert!(service.inner().is_ready());
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_an_attempt_starts_at_call() {
    let circuit = circuit(|_| {});
    let mut service = CircuitBreakerService::new(Dependency::default(), circuit.clone());
    service.ready().await.expect("the inner service is ready");
    tokio::time::advance(60 * SECOND).await;
    let first = service.call(1);
    first.await.expect("an answer");
    assert_eq!(totals(&circuit).slow, 0, "the time between ready and call is nobody's");
    let second = service.call(2);
    tokio::time::advance(60 * SECOND).await;
    second.await.expect("an answer");
    assert_eq!(totals(&circuit).slow, 1, "the time between call and the first poll is the call's");
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_open_the_circuit_without_ending() {
    let circuit = circuit(|_| {});
    let dependency = Dependency::playing([Act::Hang; 10]);
    let service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    let mut calls: Vec<_> = (0..10).map(|n| task::spawn(service.clone().oneshot(n))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(circuit.state(), State::Open);
    let trip = circuit.snapshot().last_trip.expect("it has opened");
    assert_eq!((trip.hung, dependency.in_flight()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_circuit_but_not_readiness() {
    let circuit = circuit(|_| {});
    let dependency = Dependency::playing([Act::Fail; 10]);
    let mut service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    service.ready().await.expect("the inner service is ready");
    let mut clone = service.clone();
    assert!(service.inner().is_ready() && !clone.inner().is_ready());
    for _ in 0..10 {
        assert_eq!(call(&mut service, 1).await, Err(Error::Failed(Broken::Call)));
    }
    assert!(call(&mut clone, 1).await.is_err_and(|error| error.is_rejected()));
    assert!(!dependency.was_used_unready());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_goes_on() {
    let circuit = circuit(|_| {});
    for act in [Act::Panic, Act::PanicAtOnce] {
        let service = CircuitBreakerService::new(Dependency::playing([act]), circuit.clone());
        let ended = tokio::spawn(service.oneshot(1)).await;
        assert!(ended.expect_err("the panic is the caller's").is_panic(), "{act:?}");
    }
    let expected = Totals { failure: 2, ..Totals::default() };
    assert_eq!(totals(&circuit), expected);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled after it had finished")]
async fn a_finished_call_is_not_polled_again() {
    let mut service = CircuitBreakerService::new(Dependency::default(), circuit(|_| {}));
    let mut call = task::spawn(service.call(1));
    assert_ready_ok!(call.poll());
    let _ = call.poll();
}

#[tokio::test]
async fn a_classifier_judges_responses() {
    let circuit = circuit(|config| config.consecutive_failures = Some(2));
    let by_status = |result: &Result<u16, Broken>| match result {
        Ok(status) => classify::http(*status, None),
        Err(_) => Verdict::failure(Failure::Connect),
    };
    let layer = CircuitBreakerLayer::new(circuit.clone()).classify(by_status);
    let mut service = layer.layer(tower::service_fn(async |status: u16| Ok::<_, Broken>(status)));
    for status in [200, 404, 503, 500] {
        assert_eq!(service.ready().await.expect("ready").call(status).await, Ok(status));
    }
    assert_eq!((totals(&circuit).success, totals(&circuit).failure), (2, 2));
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test]
async fn a_circuit_is_held_as_suits_the_caller() {
    let counted = circuit(|_| {});
    let fixed: &'static CircuitBreaker = Box::leak(Box::new(counted.clone()));
    let shared = Arc::new(counted.clone());
    CircuitBreakerService::new(Dependency::default(), fixed).oneshot(1).await.expect("an answer");
    CircuitBreakerService::new(Dependency::default(), shared).oneshot(2).await.expect("an answer");
    CircuitBreakerService::new(Dependency::default(), counted.clone()).oneshot(3).await.expect("an answer");
    assert_eq!(totals(&counted).success, 3);
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_concurrent_calls_only_the_probes_reach_a_half_open_dependency() {
    let circuit = circuit(|config| {
        config.half_open = HalfOpen::Count { success_threshold: 6, probe_failures: 1 };
    });
    half_open(&circuit).await;
    let dependency = Dependency::playing([Act::SucceedAfter(SECOND); 1000]);
    let service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    for wave in 1..=2 {
        let calls: Vec<_> = (0..1000).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
        let mut answered = 0;
        for call in calls {
            answered += u32::from(call.await.expect("no panic").is_ok());
        }
        assert_eq!((answered, dependency.calls(), dependency.most_in_flight()), (3, 3 * wave, 3));
    }
    assert_eq!(circuit.state(), State::Closed);
}
