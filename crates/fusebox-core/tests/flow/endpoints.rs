//! Endpoints: in turn, and another one when a circuit rejects.

use crate::world::{Plan, fails, ms, ok};
use fusebox_core::flow::End;
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::{Reason, Time};

#[test]
fn calls_take_their_endpoints_in_turn() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).endpoints(3).build();
        let called: Vec<usize> = (0..5).flat_map(|_| world.call(&[ok(5)]).endpoints()).collect();
        assert_eq!(called, [0, 1, 2, 0, 1]);
    }
}

#[test]
fn a_call_fails_over_at_once_when_a_circuit_rejects() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).endpoints(3).build();
        (0..2).for_each(|i| world.trip(i));
        let call = world.call(&[ok(5)]);
        assert_eq!((call.end(), call.endpoints(), call.ended()), (End::Result, vec![2], 5));
        let rejected = [0, 1].map(|i| world.seen(i).totals.rejected);
        assert_eq!(rejected, [0, 0], "an open circuit is passed over without being asked");
    }
}

#[test]
fn when_all_reject_the_earliest_way_out_is_told() {
    for order in [Seed, RetryOutside] {
        for first in 0..3 {
            let world = Plan::new(order).endpoints(3).attempts(2, 10).build();
            for step in 0..3 {
                world.trip((first + step) % 3);
                world.pass(100);
            }
            let call = world.call(&[]);
            let End::Rejected(rejection) = call.end() else { panic!("all are open") };
            assert_eq!(rejection.retry_at, Time::ZERO + ms(1_000), "the circuit that opened first");
            assert_eq!(rejection.reason, Reason::Open);
            assert_eq!(call.finish.expect("it is over").endpoint, first, "whose refusal it is");
        }
    }
}

#[test]
fn every_endpoint_is_asked_anew_for_every_attempt() {
    let world = Plan::new(RetryOutside).endpoints(3).attempts(2, 10).build();
    (0..2).for_each(|i| world.trip(i));
    let call = world.call(&[fails(5), ok(5)]);
    assert_eq!((call.end(), call.endpoints()), (End::Result, vec![2, 2]), "two refused both times");
}

#[test]
fn a_retry_after_a_failover_goes_on_from_the_endpoint_that_was_called() {
    let world = Plan::new(RetryOutside).endpoints(3).attempts(3, 10).build();
    world.trip(0);
    let call = world.call(&[fails(5), fails(5), ok(5)]);
    assert_eq!((call.end(), call.endpoints()), (End::Result, vec![1, 2, 1]));
}

#[test]
fn in_the_seed_order_a_call_that_failed_over_is_retried_and_settled_where_it_was_made() {
    let world = Plan::new(Seed).endpoints(2).attempts(2, 10).build();
    world.trip(0);
    let call = world.call(&[fails(5), fails(5)]);
    assert_eq!((call.end(), call.endpoints()), (End::Result, vec![1, 1]));
    assert_eq!((world.seen(0).totals.failure, world.seen(1).totals.failure), (3, 1));
}

#[test]
fn a_half_open_circuit_whose_probes_are_in_flight_is_passed_over() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).endpoints(2).build();
        world.half_open(0);
        let probe = world.begin(&[ok(50)]);
        world.call(&[ok(5)]);
        let call = world.call(&[ok(5)]);
        assert_eq!((probe.endpoints(), call.endpoints()), (vec![0], vec![1]));
        assert!(world.seen(0).totals.rejected > 0, "a half-open one has to be asked");
    }
}
