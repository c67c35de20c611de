//! A whole pipeline before a service: timeouts, deadlines, and the readiness of further attempts.

use crate::dependency::{Act, Broken, Dependency, Readiness};
use crate::{SECOND, again_after, call, pipeline, totals, trip};
use fusebox::breaker::{Setting, Totals};
use fusebox::pipeline::Order;
use fusebox::tower::FuseService;
use fusebox::{Clock, Error, Fuse};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Service, ServiceExt};

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let dependency = Dependency::default();
    dependency.will_be([Readiness::Pending, Readiness::Broken]);
    let fuse = pipeline().build().expect("it is valid");
    let mut service = FuseService::new(dependency.seen(), fuse.clone());
    let mut asked = task::spawn(());
    asked.enter(|cx, _| assert_pending!(service.poll_ready(cx)));
    let error = asked.enter(|cx, _| assert_ready_err!(service.poll_ready(cx)));
    assert_eq!(error, Error::Failed(Broken::Readiness));
    asked.enter(|cx, _| assert_ready_ok!(service.poll_ready(cx)));
    assert_eq!(totals(fuse.circuit()), Totals::default());
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_touches_neither_the_inner_service_nor_the_request() {
    let fuse = pipeline().retry(again_after(SECOND)).build().expect("it is valid");
    trip(fuse.circuit());
    let dependency = Dependency::default();
    let mut service = FuseService::new(dependency.seen(), fuse);
    let refused = call(&mut service, 1).await.expect_err("it is open");
    assert!(refused.is_rejected());
    assert_eq!((dependency.calls(), dependency.clones()), (0, 0));
    assert!(service.inner().is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_is_a_failure() {
    let fuse = pipeline().timeout(SECOND).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Hang]);
    let began = Clock::tokio().now();
    let mut service = FuseService::new(dependency.seen(), fuse.clone());
    assert_eq!(call(&mut service, 1).await, Err(Error::TimedOut));
    assert_eq!((Clock::tokio().now().since(began), dependency.in_flight()), (SECOND, 0));
    assert_eq!((totals(fuse.circuit()).failure, totals(fuse.circuit()).cancelled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_made_again() {
    let fuse = pipeline().timeout(SECOND).retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Hang, Act::Succeed]);
    let mut service = FuseService::new(dependency.seen(), fuse);
    assert_eq!(call(&mut service, 7).await, Ok(7));
    assert_eq!((dependency.calls(), dependency.most_in_flight()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call() {
    let fuse = pipeline().deadline(3 * SECOND).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Hang]);
    let began = Clock::tokio().now();
    let mut service = FuseService::new(dependency.seen(), fuse);
    assert_eq!(call(&mut service, 1).await, Err(Error::DeadlineExceeded));
    assert_eq!((Clock::tokio().now().since(began), dependency.in_flight()), (3 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_retrys_readiness_counts_toward_the_deadline() {
    for order in [Order::Seed, Order::RetryOutside] {
        let builder = pipeline().order(order).deadline(3 * SECOND).retry(again_after(SECOND));
        let fuse = builder.build().expect("it is valid");
        let dependency = Dependency::playing([Act::Fail]);
        let mut service = FuseService::new(dependency.seen(), fuse.clone());
        service.ready().await.expect("the inner service is ready");
        dependency.will_be([Readiness::Pending; 100]);
        let began = Clock::tokio().now();
        // The last attempt's own result stands, as when the deadline comes during backoff.
        assert_eq!(service.call(1).await, Err(Error::Failed(Broken::Call)));
        assert_eq!((Clock::tokio().now().since(began), dependency.calls()), (3 * SECOND, 1));
        assert_eq!(totals(fuse.circuit()), Totals { failure: 1, ..Totals::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_retrys_readiness_is_not_the_attempts() {
    let builder = pipeline().breaker(fusebox::breaker::Config {
        slow_call_duration: Setting::Is(2 * SECOND),
        ..Default::default()
    });
    let fuse = builder.timeout(3 * SECOND).retry(again_after(SECOND)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Fail, Act::SucceedAfter(SECOND)]);
    let mut service = FuseService::new(dependency.seen(), fuse.clone());
    service.ready().await.expect("the inner service is ready");
    dependency.will_be([Readiness::Pending]);
    let mut call = task::spawn(service.call(5));
    assert_pending!(call.poll());
    tokio::time::advance(SECOND).await;
    assert_pending!(call.poll(), "in readiness");
    tokio::time::advance(60 * SECOND).await;
    dependency.wake();
    assert!(call.is_woken());
    assert_pending!(call.poll(), "the second attempt");
    tokio::time::advance(SECOND).await;
    assert_eq!(assert_ready_ok!(call.poll()), 5);
    assert_eq!(totals(fuse.circuit()), Totals { success: 1, ..Totals::default() });
}

#[tokio::test(start_paused = true)]
async fn a_retry_at_once_awaits_readiness_too() {
    let builder = pipeline().timeout(3 * SECOND).deadline(90 * SECOND);
    let fuse = builder.retry(again_after(Duration::ZERO)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Fail, Act::SucceedAfter(SECOND)]);
    let mut service = FuseService::new(dependency.seen(), fuse.clone());
    service.ready().await.expect("the inner service is ready");
    dependency.will_be([Readiness::Pending]);
    let mut call = task::spawn(service.call(5));
    assert_pending!(call.poll(), "in readiness");
    tokio::time::advance(60 * SECOND).await;
    dependency.wake();
    assert_pending!(call.poll(), "the second attempt");
    tokio::time::advance(SECOND).await;
    assert_eq!(assert_ready_ok!(call.poll()), 5);
    assert_eq!(totals(fuse.circuit()), Totals { success: 1, ..Totals::default() });
    assert!(!dependency.was_used_unready());
}

#[tokio::test(start_paused = true)]
async fn a_retry_at_once_that_never_becomes_ready_ends_at_the_deadline() {
    let builder = pipeline().timeout(SECOND).deadline(3 * SECOND);
    let fuse = builder.retry(again_after(Duration::ZERO)).build().expect("it is valid");
    let dependency = Dependency::playing([Act::Fail]);
    let mut service = FuseService::new(dependency.seen(), fuse);
    service.ready().await.expect("the inner service is ready");
    dependency.will_be([Readiness::Pending; 100]);
    let began = Clock::tokio().now();
    assert_eq!(service.call(1).await, Err(Error::DeadlineExceeded));
    assert_eq!((Clock::tokio().now().since(began), dependency.calls()), (3 * SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_service_breaks_leaves_the_result_that_was_there() {
    for (act, expected) in [(Act::Fail, Error::Failed(Broken::Call)), (Act::Hang, Error::TimedOut)] {
        let fuse = pipeline().timeout(SECOND).retry(again_after(SECOND)).build().expect("it is valid");
        let dependency = Dependency::playing([act]);
        let mut service = FuseService::new(dependency.seen(), fuse.clone());
        service.ready().await.expect("the inner service is ready");
        dependency.will_be([Readiness::Broken]);
        let mut call = std::pin::pin!(service.call(1));
        assert_eq!(call.as_mut().await, Err(expected));
        // Settled by now, not when the future is dropped.
        assert_eq!((dependency.calls(), dependency.in_flight()), (1, 0));
        assert_eq!((totals(fuse.circuit()).failure, totals(fuse.circuit()).cancelled), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_further_attempt_is_a_failure_and_goes_on() {
    for act in [Act::Panic, Act::PanicAtOnce] {
        let fuse = pipeline().retry(again_after(SECOND)).build().expect("it is valid");
        let service = FuseService::new(Dependency::playing([Act::Fail, act]), fuse.clone());
        let ended = tokio::spawn(service.oneshot(1)).await;
        assert!(ended.expect_err("the panic is the caller's").is_panic(), "{act:?}");
        assert_eq!(totals(fuse.circuit()), Totals { failure: 1, ..Totals::default() }, "{act:?}");
    }
}

#[test]
fn an_answer_that_is_ready_at_once_needs_no_runtime() {
    let fuse = Fuse::builder("dependency").timeout(SECOND).deadline(SECOND).build().expect("it is valid");
    let mut service = FuseService::new(Dependency::default(), fuse);
    let mut call = std::pin::pin!(service.call(3));
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(3)));
}
