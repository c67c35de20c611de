//! What the breaker is told: one verdict per call, or every attempt.

use crate::world::{HANGS, Plan, ends, fails, ok};
use fusebox_core::flow::{End, Flow};
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Failure, Verdict};

#[test]
fn in_the_seed_order_the_evidence_is_one_verdict_per_call_the_last_attempts() {
    let world = Plan::new(Seed).attempts(3, 10).build();
    let call = world.call(&[fails(5), fails(5), ok(5)]);
    assert_eq!((call.end(), call.began()), (End::Result, vec![0, 15, 30]));
    assert_eq!(world.counted(), [1, 0, 0, 0]);
    world.call(&[fails(5), fails(5), fails(5)]);
    assert_eq!(world.counted(), [1, 1, 0, 0]);
}

#[test]
fn with_the_retry_outside_every_attempt_is_evidence() {
    let world = Plan::new(RetryOutside).attempts(3, 10).build();
    let call = world.call(&[fails(5), fails(5), ok(5)]);
    assert_eq!((call.end(), call.began()), (End::Result, vec![0, 15, 30]));
    assert_eq!(world.counted(), [1, 2, 0, 0]);
}

#[test]
fn in_the_seed_order_a_call_is_as_slow_as_its_longest_attempt() {
    let world = Plan::new(Seed).attempts(3, 60).build();
    world.call(&[fails(60), fails(60), ok(60)]);
    assert_eq!(world.counted(), [1, 0, 0, 0], "300 ms in all, and no attempt of 100 ms");
    world.call(&[fails(100), ok(5)]);
    assert_eq!(world.counted(), [2, 0, 1, 0], "a fast success after a slow attempt");
}

#[test]
fn with_the_retry_outside_each_attempt_has_its_own_slow_clock() {
    let world = Plan::new(RetryOutside).attempts(3, 60).build();
    world.call(&[fails(60), fails(99), ok(60)]);
    assert_eq!(world.counted(), [1, 2, 0, 0]);
    world.call(&[fails(100), ok(5)]);
    assert_eq!(world.counted(), [2, 3, 1, 0]);
}

#[test]
fn in_the_seed_order_the_breaker_sees_a_timeout_when_it_is_the_last_word() {
    let world = Plan::new(Seed).timeout(50).attempts(2, 10).build();
    let call = world.call(&[HANGS, ok(5)]);
    assert_eq!((call.end(), call.cancelled.as_slice(), call.began()), (End::Result, &[1][..], vec![0, 60]));
    assert_eq!(world.counted(), [1, 0, 0, 0]);
    let call = world.call(&[HANGS, HANGS]);
    assert_eq!((call.end(), call.cancelled.as_slice()), (End::TimedOut, &[1, 2][..]));
    assert_eq!(world.counted(), [1, 1, 0, 0], "a failure, not a silent cancel");
}

#[test]
fn with_the_retry_outside_every_timeout_is_a_failure_to_the_breaker_first() {
    let world = Plan::new(RetryOutside).timeout(50).attempts(2, 10).build();
    let call = world.call(&[HANGS, ok(5)]);
    assert_eq!((call.end(), call.cancelled.as_slice(), call.began()), (End::Result, &[1][..], vec![0, 60]));
    assert_eq!(world.counted(), [1, 1, 0, 0]);
    assert_eq!(world.call(&[HANGS, HANGS]).end(), End::TimedOut);
    assert_eq!(world.counted(), [1, 3, 0, 0]);
}

#[test]
fn a_call_that_is_not_safe_to_repeat_is_repeated_only_where_its_verdict_says_so() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).timeout(50).attempts(2, 10).build();
        let mut call = world.begin_as(Flow::new(false), &[HANGS]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.calls.len()), (End::TimedOut, 1), "it may have been done already");
        let refused = Verdict::failure(Failure::Connect);
        let mut call = world.begin_as(Flow::new(false), &[ends(5, refused), ok(5)]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.calls.len()), (End::Result, 2), "no connection: nothing has been done");
        assert_eq!(world.call(&[ends(5, Verdict::final_failure(Failure::Error))]).calls.len(), 1);
        assert_eq!(world.call(&[ends(5, Verdict::IGNORED)]).calls.len(), 1);
    }
}

#[test]
fn what_is_told_of_an_earlier_attempt_changes_nothing() {
    let world = Plan::new(RetryOutside).timeout(50).attempts(2, 10).build();
    let mut call = world.begin(&[HANGS, ok(20)]);
    world.run_for(&mut call, 65);
    let (first, _) = call.calls[0];
    call.flow.as_mut().expect("in flight").told(first, Verdict::failure(Failure::Reset));
    world.finish(&mut call);
    assert_eq!((call.end(), call.ended()), (End::Result, 80));
    assert_eq!(world.counted(), [1, 1, 0, 0]);
}
