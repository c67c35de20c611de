//! The whole call's time: on the wire, in backoff, and before anything was tried.

use crate::world::{HANGS, Plan, fails, ok};
use fusebox_core::flow::{End, Flow};
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Time, breaker::State};

#[test]
fn a_deadline_that_hits_a_young_attempt_cancels_it_and_speaks_against_nobody() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).deadline(80).timeout(90).attempts(2, 10).build();
        let call = world.call(&[HANGS]);
        assert_eq!((call.end(), call.ended()), (End::DeadlineExceeded, 80));
        assert_eq!((call.cancelled.as_slice(), call.calls.len()), (&[1][..], 1), "no retry");
        assert_eq!(world.counted(), [0, 0, 0, 1]);
    }
}

#[test]
fn a_deadline_that_hits_an_attempt_as_old_as_the_slow_threshold_is_a_failure() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).deadline(100).timeout(300).attempts(2, 10).build();
        let call = world.call(&[HANGS]);
        assert_eq!((call.end(), call.ended(), call.calls.len()), (End::DeadlineExceeded, 100, 1));
        assert_eq!(world.counted(), [0, 1, 1, 0]);
    }
}

#[test]
fn a_deadline_counts_the_present_attempts_age_and_not_the_calls() {
    for (order, failures) in [(Seed, 0), (RetryOutside, 1)] {
        let world = Plan::new(order).deadline(130).attempts(2, 10).build();
        let call = world.call(&[fails(60), HANGS]);
        assert_eq!((call.end(), call.ended()), (End::DeadlineExceeded, 130));
        assert_eq!(world.counted(), [0, failures, 0, 1], "the second attempt was 60 ms old");
    }
}

#[test]
fn a_backoff_that_the_deadline_would_hit_is_not_begun_and_the_last_verdict_counts() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).deadline(100).attempts(2, 60).build();
        let call = world.call(&[fails(40)]);
        assert_eq!((call.end(), call.ended()), (End::Result, 40), "nobody waits for nothing");
        assert_eq!(world.counted(), [0, 1, 0, 0]);
    }
}

#[test]
fn a_deadline_brought_forward_into_a_backoff_ends_it_with_the_last_verdict() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).deadline(500).attempts(2, 200).build();
        let mut call = world.begin(&[fails(40), ok(5)]);
        world.run_for(&mut call, 50);
        let held = u64::from(order == Seed);
        assert_eq!(world.counted(), [0, 1 - held, 0, 0], "held through backoff in the seed order only");
        call.flow.as_mut().expect("asleep").due_by(Time::from_millis(100));
        call.step(&world);
        world.finish(&mut call);
        assert_eq!((call.end(), call.ended(), call.calls.len()), (End::Result, 100, 1));
        assert_eq!(world.counted(), [0, 1, 0, 0]);
    }
}

#[test]
fn a_callers_own_deadline_only_ever_shortens_the_configured_one() {
    for (order, brought, ends) in
        [(Seed, 9_000, 80), (Seed, 30, 30), (RetryOutside, 9_000, 80), (RetryOutside, 30, 30)]
    {
        let world = Plan::new(order).deadline(80).build();
        let mut flow = Flow::new(true);
        flow.due_by(Time::from_millis(brought));
        let mut call = world.begin_as(flow, &[HANGS]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.ended()), (End::DeadlineExceeded, ends));
    }
}

#[test]
fn neither_a_retry_nor_another_endpoint_gives_a_call_more_time() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).endpoints(2).deadline(100).attempts(3, 20).build();
        world.trip(0);
        let call = world.call(&[fails(30), fails(30), HANGS]);
        assert_eq!((call.end(), call.ended(), call.calls.len()), (End::Result, 80, 2));
    }
}

#[test]
fn a_call_whose_deadline_has_passed_takes_no_ticket_and_no_probe_slot() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 10).build();
        world.half_open(0);
        let mut flow = Flow::new(true);
        flow.due_by(world.now());
        let mut call = world.begin_as(flow, &[]);
        world.finish(&mut call);
        assert_eq!((call.end(), call.calls.len()), (End::DeadlineExceeded, 0));
        assert_eq!(world.counted(), [0, 3, 0, 0], "the three that opened it");
        assert_eq!(world.seen(0).probes.in_flight, 0);
        world.call(&[ok(5)]);
        assert_eq!(world.seen(0).state, State::Closed);
    }
}
