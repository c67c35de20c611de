//! Calls that are dropped, in each state they can be in.

use crate::dependency::{Act, Dependency, Readiness};
use crate::{SECOND, again_after, circuit, half_open, pipeline, totals};
use fusebox::breaker::Totals;
use fusebox::pipeline::Order;
use fusebox::tower::{CircuitBreakerService, FuseService};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt};

const CANCELLED: Totals = Totals { cancelled: 1, ..ZERO };
const FAILED: Totals = Totals { failure: 1, ..ZERO };
const ZERO: Totals = Totals {
    success: 0,
    failure: 0,
    slow: 0,
    rejected: 0,
    recovering: 0,
    would_reject: 0,
    unenforced: 0,
    ignored: 0,
    cancelled: 0,
    late: 0,
    changes: [[0; 3]; 3],
    internal_faults: 0,
};

#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_first_poll_is_cancelled() {
    let (dependency, circuit) = (Dependency::playing([Act::Hang]), circuit(|_| {}));
    let mut service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    drop(service.call(1));
    assert_eq!((totals(&circuit), dependency.calls(), dependency.in_flight()), (CANCELLED, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_flight_is_cancelled() {
    let (dependency, circuit) = (Dependency::playing([Act::Hang]), circuit(|_| {}));
    let mut service = CircuitBreakerService::new(dependency.seen(), circuit.clone());
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((totals(&circuit), dependency.in_flight()), (CANCELLED, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_gives_its_slot_back_at_once() {
    let circuit = circuit(|config| config.half_open_probes = 1);
    half_open(&circuit).await;
    let mut service = CircuitBreakerService::new(Dependency::playing([Act::Hang; 5]), circuit.clone());
    for _ in 0..5 {
        let mut probe = task::spawn(service.call(1));
        assert_pending!(probe.poll());
        assert_eq!(circuit.snapshot().probes.in_flight, 1);
        drop(probe);
        assert_eq!(circuit.snapshot().probes.in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_made_ready_and_dropped_leaves_no_trace() {
    let circuit = circuit(|_| {});
    let mut service = CircuitBreakerService::new(Dependency::default(), circuit.clone());
    service.ready().await.expect("the inner service is ready");
    drop(service);
    assert_eq!(totals(&circuit), ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_dropped_before_its_first_poll_is_cancelled() {
    let fuse = pipeline().retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Hang]);
    drop(FuseService::new(dependency.seen(), fuse.clone()).call(1));
    assert_eq!((totals(fuse.circuit()), dependency.calls(), dependency.in_flight()), (CANCELLED, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_dropped_in_flight_is_cancelled() {
    let fuse = pipeline().timeout(SECOND).retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Hang]);
    let mut call = task::spawn(FuseService::new(dependency.seen(), fuse.clone()).call(1));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((totals(fuse.circuit()), dependency.in_flight()), (CANCELLED, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_dropped_in_backoff_counts_as_its_last_attempt() {
    for order in [Order::Seed, Order::RetryOutside] {
        let fuse = pipeline().order(order).retry(again_after(SECOND)).build().expect("it is valid");
        let dependency = Dependency::playing([Act::Fail]);
        let mut call = task::spawn(FuseService::new(dependency.seen(), fuse.clone()).call(1));
        assert_pending!(call.poll());
        drop(call);
        assert_eq!((totals(fuse.circuit()), dependency.calls()), (FAILED, 1), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_dropped_while_a_retry_becomes_ready_counts_as_its_last_attempt() {
    let fuse = pipeline().retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Fail]);
    let mut call = task::spawn(FuseService::new(dependency.seen(), fuse.clone()).call(1));
    dependency.will_be([Readiness::Pending]);
    assert_pending!(call.poll());
    tokio::time::advance(SECOND).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((totals(fuse.circuit()), dependency.calls()), (FAILED, 1));
}
