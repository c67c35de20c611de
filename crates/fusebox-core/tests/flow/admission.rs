//! Rate limiter and bulkhead: calls that wait to be admitted, and what they give back.

use crate::world::{HANGS, Plan, fails, head, ok};
use fusebox_core::flow::{End, Flow};
use fusebox_core::pipeline::FallbackOn;
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Outcome, Reason, Time};

const ORDERS: [fusebox_core::pipeline::Order; 2] = [Seed, RetryOutside];

fn refused(end: End) -> Reason {
    let End::Rejected(rejection) = end else { panic!("{end:?}") };
    rejection.reason
}

#[test]
fn a_call_over_the_quota_is_told_when_and_the_fallback_runs() {
    for order in ORDERS {
        let world = Plan::new(order).limit(100, 1, 0).fallback(FallbackOn::Rejected).build();
        world.call(&[ok(5)]);
        let call = world.call(&[]);
        let End::Rejected(rejection) = call.end() else { panic!("over the quota") };
        assert_eq!((rejection.reason, rejection.retry_at), (Reason::RateLimited, Time::from_millis(100)));
        assert!(call.falls_back() && call.calls.is_empty());
        world.go_to(rejection.retry_at);
        assert_eq!(world.call(&[ok(5)]).end(), End::Result);
    }
}

#[test]
fn a_call_waits_for_its_turn_and_no_longer_than_its_deadline() {
    for order in ORDERS {
        let world = Plan::new(order).limit(100, 1, 250).build();
        world.call(&[ok(5)]);
        let call = world.call(&[ok(5)]);
        assert_eq!((call.end(), call.began()), (End::Result, vec![100]));
        let mut hurried = Flow::new(true);
        hurried.due_by(world.now() + crate::world::ms(50));
        let call = world.begin_as(hurried, &[]);
        assert_eq!(refused(call.end()), Reason::RateLimited, "no turn before its deadline");
    }
}

#[test]
fn a_permit_is_given_back_when_a_later_stage_refuses() {
    for order in ORDERS {
        let world = Plan::new(order).limit(100, 2, 0).build();
        world.trip(0);
        (0..10).for_each(|_| assert_eq!(refused(world.call(&[]).end()), Reason::Open));
        world.pass(1_000);
        let calls = [ok(1), ok(1)].map(|plan| world.call(&[plan]).end());
        assert_eq!(calls, [End::Result; 2], "the burst is whole");
    }
}

#[test]
fn a_call_given_up_while_it_waits_for_its_turn_gives_it_back() {
    let world = Plan::new(Seed).limit(100, 1, 250).build();
    world.call(&[ok(1)]);
    let mut waiting = world.begin(&[]);
    world.abandon(&mut waiting);
    let call = world.call(&[ok(1)]);
    assert_eq!(call.began(), [100], "not at 200");
}

#[test]
fn a_full_bulkhead_has_calls_wait_and_serves_them_in_turn() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 100).build();
        let mut first = world.begin(&[ok(40)]);
        let mut second = world.begin(&[ok(10)]);
        let third = world.begin(&[]);
        assert!(second.is_queued());
        assert_eq!(refused(third.end()), Reason::BulkheadFull, "one waits already");
        world.finish(&mut first);
        world.finish(&mut second);
        assert_eq!((second.end(), second.began()), (End::Result, vec![40]));
        assert_eq!(world.in_use(), 0);
    }
}

#[test]
fn a_call_waits_no_longer_than_it_may() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 100).build();
        let mut first = world.begin(&[HANGS]);
        let mut second = world.begin(&[]);
        world.finish(&mut second);
        assert_eq!((refused(second.end()), second.ended()), (Reason::BulkheadTimeout, 100));
        world.abandon(&mut first);
        assert_eq!((world.in_use(), world.counted()), (0, [0, 0, 1, 1]));
    }
}

#[test]
fn a_deadline_that_comes_in_the_queue_leaves_no_evidence() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 1_000).deadline(100).build();
        let _first = world.begin(&[HANGS]);
        let mut second = world.begin(&[]);
        world.run_for(&mut second, 100);
        assert!(matches!(second.end(), End::DeadlineExceeded | End::Rejected(_)));
        assert_eq!(world.seen(0).totals.cancelled, 0);
    }
}

#[test]
fn nobody_queues_before_an_open_circuit() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 1_000).build();
        let mut first = world.begin(&[HANGS]);
        world.trip(0);
        assert_eq!(refused(world.begin(&[]).end()), Reason::Open);
        world.abandon(&mut first);
        assert_eq!(world.in_use(), 0);
    }
}

#[test]
fn in_the_seed_order_the_place_covers_the_backoff_and_outside_it_does_not() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 0).attempts(2, 50).build();
        let mut call = world.begin(&[fails(5), ok(5)]);
        world.run_for(&mut call, 30);
        assert_eq!(world.in_use(), u64::from(order == Seed));
        world.finish(&mut call);
        assert_eq!((call.end(), world.in_use()), (End::Result, 0));
    }
}

#[test]
fn a_body_keeps_its_place_until_its_last_byte() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(1, 0).build();
        let mut tail = world.call(&[head(5)]).tail.expect("a body follows");
        world.go_to(tail.settle_by());
        tail.settle(&world, Outcome::Success, world.now());
        assert_eq!((world.counted(), world.in_use()), ([1, 0, 0, 0], 1), "settled, and still in its place");
        assert_eq!(refused(world.call(&[]).end()), Reason::BulkheadFull);
        tail.end(&world.pipeline, &world, Outcome::Failure(fusebox_core::Failure::Reset), world.now());
        assert_eq!((world.counted(), world.in_use()), ([1, 0, 0, 0], 0));
    }
}

#[test]
fn a_call_given_up_in_the_queue_leaves_its_turn_to_the_next() {
    for order in ORDERS {
        let world = Plan::new(order).bulkhead(2, 1_000).build();
        let mut running = [world.begin(&[ok(40)]), world.begin(&[ok(50)])];
        let (mut gone, mut next) = (world.begin(&[]), world.begin(&[ok(5)]));
        world.abandon(&mut gone);
        running.iter_mut().for_each(|call| world.finish(call));
        world.finish(&mut next);
        assert_eq!((next.end(), world.in_use()), (End::Result, 0));
    }
}

#[test]
fn a_job_takes_its_threads_place_along_and_a_retry_needs_another() {
    for order in ORDERS {
        let world = Plan::new(order).pool(1, 0).timeout(50).attempts(2, 10).build();
        let mut call = world.begin(&[HANGS]);
        let attempt = call.calls[0].0;
        let place = call.flow.as_mut().and_then(|flow| flow.take_place(attempt)).expect("a thread");
        world.finish(&mut call);
        assert_eq!((call.end(), call.calls.len()), (End::TimedOut, 1), "the only thread still works");
        assert_eq!(world.in_pool(), 1);
        world.leave_pool(place);
        assert_eq!(world.in_pool(), 0);
        assert_eq!(world.call(&[ok(5)]).end(), End::Result);
    }
}
