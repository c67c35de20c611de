//! Further attempts: where they re-enter, what they wait for, what they may cost, and when there are none.

use crate::world::{Plan, fails, ok, overloaded};
use fusebox_core::breaker::{Mode, State};
use fusebox_core::flow::End;
use fusebox_core::pipeline::Order::{RetryOutside, Seed};
use fusebox_core::retry::BudgetConfig;

#[test]
fn in_the_seed_order_a_retry_stays_at_its_endpoint_and_outside_it_goes_through_the_balancer() {
    for (order, expected) in [(Seed, [0, 0, 0]), (RetryOutside, [0, 1, 2])] {
        let world = Plan::new(order).endpoints(3).attempts(3, 10).build();
        assert_eq!(world.call(&[fails(5), fails(5), ok(5)]).endpoints(), expected);
    }
}

#[test]
fn in_the_seed_order_a_retry_is_made_only_while_the_tickets_epoch_goes_on() {
    let world = Plan::new(Seed).attempts(2, 50).build();
    let mut in_flight = world.begin(&[fails(20)]);
    let mut asleep = world.begin(&[fails(5), ok(5)]);
    world.run_for(&mut asleep, 10);
    world.trip(0);
    world.finish(&mut in_flight);
    assert_eq!((in_flight.end(), in_flight.ended(), in_flight.calls.len()), (End::Result, 20, 1));
    world.finish(&mut asleep);
    assert_eq!((asleep.end(), asleep.calls.len()), (End::Result, 1), "no call to an open circuit");
    let seen = world.seen(0);
    assert_eq!((seen.totals.failure, seen.totals.late, seen.state), (3, 2, State::Open));
}

#[test]
fn a_circuit_that_closed_again_during_a_backoff_is_not_called_on_the_old_ticket() {
    let world = Plan::new(Seed).attempts(2, 50).build();
    let mut call = world.begin(&[fails(5), ok(5)]);
    world.run_for(&mut call, 10);
    world.circuits[0].reset(world.now());
    world.trip(0);
    world.circuits[0].reset(world.now());
    world.finish(&mut call);
    assert_eq!(call.calls.len(), 1);
    assert_eq!(world.seen(0).totals.late, 1);
}

#[test]
fn in_the_seed_order_a_probe_is_one_attempt() {
    let world = Plan::new(Seed).attempts(3, 10).build();
    world.half_open(0);
    let call = world.call(&[fails(5)]);
    assert_eq!((call.end(), call.calls.len()), (End::Result, 1));
    assert_eq!(world.seen(0).state, State::Open);
}

#[test]
fn outside_a_failed_probe_is_retried_where_the_balancer_says() {
    let world = Plan::new(RetryOutside).endpoints(2).attempts(3, 10).build();
    world.half_open(0);
    let call = world.call(&[fails(5), ok(5)]);
    assert_eq!((call.end(), call.endpoints()), (End::Result, vec![0, 1]));
    assert_eq!((world.seen(0).state, world.seen(1).totals.success), (State::Open, 1));
}

#[test]
fn there_is_no_retry_while_every_circuit_is_open() {
    for endpoints in [1, 2] {
        let plan = Plan::new(RetryOutside).endpoints(endpoints).attempts(3, 10);
        let world = plan.breaker(|config| config.consecutive_failures = Some(1)).build();
        if endpoints == 2 {
            let circuit = &world.circuits[1];
            circuit.settle(circuit.admit(world.now()).expect("closed"), crate::world::FAILED, world.now());
        }
        let call = world.call(&[fails(5)]);
        assert_eq!((call.end(), call.ended(), call.calls.len()), (End::Result, 5, 1), "no backoff either");
        assert_eq!(world.seen(0).totals.rejected, 0);
    }
}

#[test]
fn a_retry_that_no_circuit_admits_leaves_the_earlier_result() {
    for endpoints in [1, 2] {
        let world = Plan::new(RetryOutside).endpoints(endpoints).attempts(2, 50).build();
        let mut call = world.begin(&[fails(5)]);
        world.run_for(&mut call, 10);
        (0..endpoints).for_each(|i| world.trip(i));
        world.finish(&mut call);
        assert_eq!((call.end(), call.ended(), call.calls.len()), (End::Result, 55, 1));
    }
}

#[test]
fn a_retry_waits_as_long_as_the_dependency_asked() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 10).build();
        let call = world.call(&[overloaded(5, 3), ok(5)]);
        assert_eq!((call.end(), call.began()), (End::Result, vec![0, 3_005]));
        let world = Plan::new(order).attempts(2, 5_000).build();
        let call = world.call(&[overloaded(5, 3), ok(5)]);
        assert_eq!(call.began(), [0, 5_005], "asking never shortens a wait");
    }
}

#[test]
fn a_wait_longer_than_any_backoff_is_left_to_the_caller() {
    for order in [Seed, RetryOutside] {
        let call = Plan::new(order).attempts(2, 10).build().call(&[overloaded(5, 11)]);
        assert_eq!((call.end(), call.ended()), (End::Result, 5));
    }
}

#[test]
fn a_wait_that_the_dependency_asked_for_ends_the_call_where_the_deadline_comes_first() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).deadline(3_005).attempts(2, 10).build();
        let call = world.call(&[overloaded(5, 3)]);
        assert_eq!((call.end(), call.ended()), (End::Result, 5));
        assert_eq!(world.counted(), [0, 1, 0, 0]);
    }
}

#[test]
fn no_more_retries_are_made_than_the_budget_pays_for() {
    for order in [Seed, RetryOutside] {
        let budget = BudgetConfig { ratio: 0.0, floor_per_second: 0.1 };
        let plan = Plan::new(order).budgeted(3, 10, Some(budget));
        let world = plan.breaker(|config| config.consecutive_failures = Some(50)).build();
        let call = world.call(&[fails(5), fails(5)]);
        assert_eq!((call.end(), call.calls.len()), (End::Result, 2), "the second retry is not paid for");
        assert_eq!(world.call(&[fails(5)]).calls.len(), 1);
        assert_eq!(world.pipeline.retry_budget().map(|budget| budget.denied()), Some(2));
        world.pass(10_000);
        assert_eq!(world.call(&[fails(5), ok(5)]).calls.len(), 2, "the floor runs on time");
    }
}

#[test]
fn a_share_of_first_tries_pays_for_retries_and_a_retry_is_no_first_try() {
    for order in [Seed, RetryOutside] {
        let budget = BudgetConfig { ratio: 0.5, floor_per_second: 0.0 };
        let plan = Plan::new(order).budgeted(2, 10, Some(budget));
        let world = plan.breaker(|config| config.consecutive_failures = Some(50)).build();
        let made: Vec<usize> = (0..6).map(|_| world.call(&[fails(5), fails(5)]).calls.len()).collect();
        assert_eq!(made, [1, 2, 1, 2, 1, 2]);
    }
}

#[test]
fn a_call_of_a_disabled_circuit_is_retried_all_the_same() {
    for order in [Seed, RetryOutside] {
        let world = Plan::new(order).attempts(2, 10).build();
        world.hold(Mode::Disabled);
        let call = world.call(&[fails(5), ok(5)]);
        assert_eq!((call.end(), call.calls.len()), (End::Result, 2));
        assert_eq!(world.counted(), [0, 0, 0, 0]);
        let mut call = world.begin(&[fails(5)]);
        world.run_for(&mut call, 10);
        world.hold(Mode::ForcedOpen);
        world.finish(&mut call);
        assert_eq!(call.calls.len(), 1, "nor does a ticket from then open a circuit that is held open");
    }
}

#[test]
fn the_configured_attempts_are_the_most_there_are() {
    for order in [Seed, RetryOutside] {
        let plan = Plan::new(order).attempts(4, 10);
        let world = plan.breaker(|config| config.consecutive_failures = Some(50)).build();
        let call = world.call(&[fails(5); 4]);
        assert_eq!((call.end(), call.began()), (End::Result, vec![0, 15, 30, 45]));
    }
}
