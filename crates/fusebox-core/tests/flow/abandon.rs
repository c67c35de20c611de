//! A caller that goes away, at every place of the walk: what was taken is given back at once.

use crate::world::{HANGS, Plan, Walk, fails, head, ok};
use fusebox_core::breaker::State;
use fusebox_core::flow::Flow;
use fusebox_core::pipeline::Order::{RetryOutside, Seed};

#[test]
fn before_the_first_step_there_is_nothing_to_give_back() {
    let world = Plan::new(Seed).build();
    let mut walk = Walk::new(Flow::new(true), world.now(), &[]);
    assert!(walk.flow.as_ref().is_some_and(Flow::is_over));
    world.abandon(&mut walk);
    assert_eq!(world.counted(), [0, 0, 0, 0]);
}

#[test]
fn in_flight_the_call_counts_as_cancelled_and_once_as_slow_when_it_was() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 10).build();
        let mut young = world.begin(&[HANGS]);
        world.run_for(&mut young, 99);
        world.abandon(&mut young);
        assert_eq!(world.counted(), [0, 0, 0, 1]);
        let mut old = world.begin(&[HANGS]);
        world.run_for(&mut old, 100);
        assert_eq!(world.seen(0).hung, 1);
        world.abandon(&mut old);
        assert_eq!((world.counted(), world.seen(0).hung), ([0, 0, 1, 2], 0));
    }
}

#[test]
fn in_a_backoff_the_call_counts_as_what_its_last_attempt_was() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 200).build();
        let mut call = world.begin(&[fails(5)]);
        world.run_for(&mut call, 150);
        world.abandon(&mut call);
        assert_eq!(world.counted(), [0, 1, 0, 0], "a fast failure, once");
    }
}

#[test]
fn between_a_verdict_and_the_next_step_the_verdict_counts() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).build();
        for plan in [ok(5), fails(5)] {
            let mut call = world.begin(&[plan]);
            let (attempt, _) = call.calls[0];
            world.pass(5);
            call.flow.as_mut().expect("in flight").told(attempt, plan.verdict);
            world.abandon(&mut call);
        }
        assert_eq!(world.counted(), [1, 1, 0, 0]);
    }
}

#[test]
fn a_probes_slot_is_free_at_once() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).build();
        world.half_open(0);
        let mut probe = world.begin(&[HANGS]);
        world.run_for(&mut probe, 5);
        assert_eq!(world.seen(0).probes.in_flight, 1);
        world.abandon(&mut probe);
        assert_eq!((world.seen(0).state, world.seen(0).probes.in_flight), (State::HalfOpen, 0));
        world.call(&[ok(5)]);
        assert_eq!(world.seen(0).state, State::Closed);
    }
}

#[test]
fn a_body_that_nobody_took_is_given_back_too() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).build();
        world.half_open(0);
        let mut told = world.begin(&[HANGS]);
        let (attempt, _) = told.calls[0];
        told.flow.as_mut().expect("in flight").told_head(attempt, head(5).verdict);
        world.abandon(&mut told);
        assert_eq!((world.counted()[3], world.seen(0).probes.in_flight), (1, 0));

        let mut finished = world.begin(&[HANGS]);
        let (attempt, _) = finished.calls[0];
        let flow = finished.flow.as_mut().expect("in flight");
        flow.told_head(attempt, head(5).verdict);
        finished.settle_untaken(&world);
        assert_eq!((world.counted()[3], world.seen(0).probes.in_flight), (2, 0));
    }
}
