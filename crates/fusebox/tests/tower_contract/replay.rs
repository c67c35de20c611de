//! Which requests are sent again, by which service.

use crate::dependency::{Act, Broken, Dependency};
use crate::{SECOND, again_after, call, pipeline, totals};
use fusebox::tower::{FuseLayer, FuseService, Replay};
use fusebox::{Clock, Error, Fuse};
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt};

fn fuse() -> Fuse {
    pipeline().retry(again_after(SECOND)).build().expect("it is valid")
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_the_ready_services_and_the_next_a_fresh_clones() {
    let dependency = Dependency::playing([Act::Fail, Act::Succeed]);
    let mut service = FuseService::new(dependency.seen(), fuse());
    service.ready().await.expect("the inner service is ready");
    let call = service.call(4);
    assert!(!service.inner().is_ready(), "its readiness is used up");
    assert_eq!(call.await, Ok(4));
    assert_eq!((dependency.calls(), dependency.clones()), (2, 1));
    assert!(!dependency.was_used_unready());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_dropped_before_the_next_one_is_made_ready() {
    let dependency = Dependency::playing([Act::FailAfter(SECOND), Act::FailAfter(SECOND)]);
    let mut service = FuseService::new(dependency.seen(), fuse());
    assert_eq!(call(&mut service, 1).await, Err(Error::Failed(Broken::Call)));
    assert_eq!((dependency.calls(), dependency.most_in_flight(), dependency.in_flight()), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_predicate_says_which_requests_may_be_sent_again() {
    let even = |request: &u32| request.is_multiple_of(2);
    for (request, calls, answered) in [(1, 1, false), (2, 2, true)] {
        let dependency = Dependency::playing([Act::Fail]);
        let mut service = FuseLayer::new(fuse()).replay(even).layer(dependency.seen());
        assert_eq!(call(&mut service, request).await.is_ok(), answered);
        assert_eq!((dependency.calls(), dependency.clones()), (calls, calls - 1));
    }
}

/// A request whose copy turns out to be impossible.
#[derive(Clone)]
struct Unrepeatable;

impl Replay<Dependency, u32> for Unrepeatable {
    fn may(&self, _: &u32) -> bool {
        true
    }

    fn copy(&self, _: &Dependency, _: &u32) -> Option<(Dependency, u32)> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_copy_the_result_stands_at_once() {
    for (act, expected) in [(Act::Fail, Error::Failed(Broken::Call)), (Act::Hang, Error::TimedOut)] {
        let fuse = pipeline().timeout(SECOND).retry(again_after(60 * SECOND)).build().expect("it is valid");
        let dependency = Dependency::playing([act]);
        let mut service = FuseLayer::new(fuse.clone()).replay(Unrepeatable).layer(dependency.seen());
        let began = Clock::tokio().now();
        assert_eq!(call(&mut service, 1).await, Err(expected));
        assert!(Clock::tokio().now().since(began) <= SECOND, "no backoff for what cannot be made");
        assert_eq!((totals(fuse.circuit()).failure, totals(fuse.circuit()).cancelled), (1, 0));
    }
}

/// Neither it nor its requests can be cloned.
struct Once(Act);

struct Request;

impl Service<Request> for Once {
    type Response = ();
    type Error = Broken;
    type Future = std::future::Ready<Result<(), Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(if matches!(self.0, Act::Fail) { Err(Broken::Call) } else { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_made_once_need_not_be_clone() {
    let fuse = fuse();
    let service = FuseLayer::new(fuse.clone()).once().layer(Once(Act::Fail));
    assert_eq!(service.oneshot(Request).await, Err(Error::Failed(Broken::Call)));
    assert_eq!(totals(fuse.circuit()).failure, 1);
    let service = FuseLayer::new(fuse.clone()).once().layer(Once(Act::Succeed));
    assert_eq!(service.oneshot(Request).await, Ok(()));
}
