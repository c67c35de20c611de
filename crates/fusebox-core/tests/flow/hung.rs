//! Calls that hang: told by the driver's timer, or seen by the breaker itself where there is none.

use crate::world::{HANGS, Plan, World, fails, ms, ok};
use fusebox_core::Outcome;
use fusebox_core::breaker::{CircuitBreaker, State};
use fusebox_core::flow::Flow;
use fusebox_core::pipeline::Order::{RetryOutside, Seed};

#[test]
fn an_attempt_past_the_slow_threshold_hangs_and_counts_once() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).build();
        let mut call = world.begin(&[ok(150)]);
        world.run_for(&mut call, 99);
        assert_eq!(world.seen(0).hung, 0);
        world.run_for(&mut call, 1);
        assert_eq!(world.seen(0).hung, 1);
        world.finish(&mut call);
        assert_eq!((world.seen(0).hung, world.counted()), (0, [1, 0, 1, 0]));
    }
}

#[test]
fn hung_calls_open_the_circuit_without_a_single_completion() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).timeout(500).build();
        let mut calls: Vec<_> = (0..3).map(|_| world.begin(&[HANGS])).collect();
        calls.iter_mut().for_each(|call| world.run_until(call, fusebox_core::Time::from_millis(100)));
        assert_eq!(world.seen(0).state, State::Open);
        calls.iter_mut().for_each(|call| world.finish(call));
        assert_eq!((world.seen(0).hung, world.seen(0).totals.late), (0, 3));
    }
}

#[test]
fn in_the_seed_order_a_call_that_hung_twice_is_taken_back_out_whole() {
    let world = Plan::new(Seed).timeout(150).attempts(2, 10).build();
    let mut call = world.begin(&[HANGS, HANGS]);
    world.run_for(&mut call, 300);
    assert_eq!((call.calls.len(), world.seen(0).hung), (2, 1), "one call, not two");
    world.finish(&mut call);
    assert_eq!((world.seen(0).hung, world.counted()), (0, [0, 1, 1, 0]));
}

/// A call of a driver without a timer, up to its first attempt.
fn blocked(world: &World, attempts: &[crate::world::Attempt]) -> crate::world::Walk {
    world.begin_as(Flow::blocking(true), attempts)
}

#[test]
fn a_blocking_call_that_hangs_is_seen_by_whoever_looks() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).build();
        let mut call = blocked(&world, &[ok(150)]);
        world.pass(100);
        assert_eq!(world.seen(0).hung, 1);
        world.finish(&mut call);
        assert_eq!((world.seen(0).hung, world.counted()), (0, [1, 0, 1, 0]));
    }
}

#[test]
fn a_blocking_retry_restarts_the_watch_and_backoff_is_not_in_flight() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 80).build();
        let mut call = blocked(&world, &[fails(60), ok(150)]);
        world.run_for(&mut call, 139);
        assert_eq!(world.seen(0).hung, 0, "139 ms after the call, and nothing has been in flight for 100");
        world.run_for(&mut call, 100);
        assert_eq!(world.seen(0).hung, 0, "the second attempt began at 140 ms");
        world.pass(1);
        assert_eq!(world.seen(0).hung, 1);
        world.finish(&mut call);
        assert_eq!(world.seen(0).hung, 0);
        assert_eq!(world.counted(), [1, u64::from(order == RetryOutside), 1, 0]);
    }
}

#[test]
fn a_blocking_call_that_hung_twice_is_taken_back_out_whole() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 10).build();
        let mut call = blocked(&world, &[fails(150), ok(150)]);
        world.pass(100);
        assert_eq!(world.seen(0).hung, 1);
        world.run_for(&mut call, 180);
        assert_eq!((call.calls.len(), world.seen(0).hung), (2, 1), "at most one of them is in flight");
        world.finish(&mut call);
        assert_eq!(world.seen(0).hung, 0);
    }
}

#[test]
fn a_watched_call_from_before_a_reset_at_the_same_moment_does_not_hang_after_it() {
    let world = Plan::new(Seed).build();
    let circuit = &world.circuits[0];
    let old = circuit.admit_watched(world.now()).expect("closed");
    circuit.reset(world.now());
    world.trip(0);
    circuit.reset(world.now());
    world.pass(100);
    assert_eq!(world.seen(0).hung, 0, "it belongs to an epoch that has ended");
    circuit.settle_watched(old, Outcome::Success, world.now());
    assert_eq!((world.seen(0).hung, world.seen(0).totals.late), (0, 1));
}

#[test]
fn watched_calls_hang_only_where_hung_calls_count() {
    let world = Plan::new(Seed).breaker(|config| config.hung_calls = false).build();
    let calls: Vec<_> = (0..3).map(|_| blocked(&world, &[HANGS])).collect();
    world.pass(1_000);
    assert_eq!((world.seen(0).hung, world.seen(0).state), (0, State::Closed));
    drop(calls);
}

#[test]
fn a_shorter_slow_threshold_holds_for_the_watched_calls_in_flight() {
    let world = Plan::new(Seed).build();
    let circuit: &CircuitBreaker = &world.circuits[0];
    let call = circuit.admit_watched(world.now()).expect("closed");
    let mut shorter = crate::world::brittle();
    shorter.slow_call_duration = fusebox_core::breaker::Setting::Is(ms(20));
    circuit.reconfigure(shorter.check(None).expect("works"), world.now());
    world.pass(20);
    assert_eq!(world.seen(0).hung, 1);
    circuit.settle_watched(call, Outcome::Success, world.now());
    assert_eq!(world.seen(0).hung, 0);
}

#[test]
fn a_probe_that_waits_for_its_own_caller_gives_its_place_back_and_one_that_hangs_fails() {
    for (excused, state, ignored) in [(280, State::HalfOpen, 1), (10, State::Open, 0)] {
        let world = Plan::new(Seed).build();
        world.half_open(0);
        let mut call = world.begin(&[ok(1_000)]);
        world.run_for(&mut call, 280);
        call.flow.as_mut().expect("not abandoned").excuse(ms(excused));
        world.run_for(&mut call, 20);
        let seen = world.seen(0);
        assert_eq!((seen.state, seen.probes.in_flight, seen.totals.ignored), (state, 0, ignored));
    }
}
