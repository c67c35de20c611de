//! Scopes on a call's walk: the service and the tenant are asked first, and one circuit hears of a failure.

use crate::world::{HANGS, Plan, World, fails, head, ms, ok};
use fusebox_core::breaker::State;
use fusebox_core::flow::{End, Flow};
use fusebox_core::pipeline::{Order, PolicySnapshot, Stage};
use fusebox_core::scope::{Scope, Scopes, Settings};
use fusebox_core::{Outcome, Reason, Time, Verdict};

fn scoped(order: Order, endpoints: usize) -> Plan {
    let mut plan = Plan::new(order).endpoints(endpoints);
    plan.stages.scopes = Some(Scopes::new(Settings::default(), endpoints).into());
    plan
}

fn blamed(world: &World) -> [u64; 3] {
    let stage = world.pipeline.stages().iter().find(|stage| matches!(stage, Stage::Scopes(_)));
    match stage.expect("there are scopes").snapshot(world.now()) {
        PolicySnapshot::Scopes(seen) => [seen.blamed.endpoint, seen.blamed.tenant, seen.blamed.service],
        other => panic!("{other:?}"),
    }
}

/// Failures that each circuit has heard of: the endpoints', the tenant's, the service's.
fn heard(world: &World) -> (Vec<u64>, u64, u64) {
    let failures =
        |circuit: &fusebox_core::breaker::CircuitBreaker| circuit.snapshot(world.now()).totals.failure;
    let wide = world.wide.as_ref().expect("there are scopes");
    (world.circuits.iter().map(failures).collect(), failures(&wide.tenant), failures(&wide.service))
}

#[test]
fn a_success_is_told_to_all_and_a_failure_to_one() {
    let world = scoped(Order::Seed, 2).build();
    (0..4).for_each(|_| drop(world.call(&[ok(1)])));
    world.call(&[fails(1)]);
    let (endpoints, tenant, service) = heard(&world);
    assert_eq!((endpoints.iter().sum::<u64>(), tenant, service), (1, 0, 0));
    assert_eq!(blamed(&world), [1, 0, 0]);
    let wide = world.wide.as_ref().expect("there are scopes");
    let totals = wide.service.snapshot(world.now()).totals;
    assert_eq!((totals.success, totals.ignored), (4, 1));
}

#[test]
fn when_all_endpoints_fail_the_tenant_is_the_smaller_scope() {
    let world = scoped(Order::Seed, 2).build();
    // The world's calls are all of one tenant.
    (0..8).for_each(|_| drop(world.call(&[fails(1)])));
    let (_, tenant, service) = heard(&world);
    assert!(tenant > 0 && service == 0, "{:?}", heard(&world));
}

#[test]
fn an_open_service_refuses_before_an_endpoint_is_chosen_and_says_so() {
    for order in [Order::Seed, Order::RetryOutside] {
        let world = scoped(order, 2).attempts(3, 10).build();
        world.trip_service();
        let walk = world.call(&[]);
        let finish = walk.finish.expect("finished");
        assert!(matches!(finish.end, End::Rejected(rejection) if rejection.reason == Reason::Open));
        assert_eq!((finish.scope, walk.calls.len()), (Scope::Service, 0));
        assert_eq!(world.seen(0).totals.rejected, 0, "no endpoint was asked");
    }
}

#[test]
fn the_seed_order_keeps_the_pass_through_retries_and_the_other_takes_one_for_each() {
    for (order, passes) in [(Order::Seed, 1), (Order::RetryOutside, 3)] {
        let world =
            scoped(order, 1).breaker(|config| config.consecutive_failures = Some(9)).attempts(3, 10).build();
        world.call(&[fails(1), fails(1), ok(1)]);
        let totals = world.wide.as_ref().expect("there are scopes").service.snapshot(world.now()).totals;
        assert_eq!(totals.success + totals.ignored, passes, "{order:?}");
    }
}

#[test]
fn a_retry_ends_when_the_service_has_opened_meanwhile() {
    for order in [Order::Seed, Order::RetryOutside] {
        let world = scoped(order, 1).attempts(3, 50).build();
        let mut walk = world.begin(&[fails(1), ok(1)]);
        world.run_for(&mut walk, 10);
        world.trip_service();
        world.finish(&mut walk);
        assert_eq!((walk.calls.len(), walk.end()), (1, End::Result), "{order:?}");
    }
}

#[test]
fn the_service_s_probe_hears_its_own_answer_and_is_neither_retried_nor_hedged() {
    let world = scoped(Order::Seed, 2).attempts(3, 10).hedge(20).build();
    world.trip_service();
    world.pass(1_000);
    let walk = world.call(&[fails(50)]);
    assert_eq!(walk.calls.len(), 1);
    let wide = world.wide.as_ref().expect("there are scopes");
    assert_eq!(wide.service.state(world.now()), State::Open, "its probe has failed");
}

#[test]
fn an_attempt_that_hangs_speaks_against_its_endpoint_while_it_hangs() {
    let world = scoped(Order::Seed, 2).build();
    let mut walk = world.begin(&[HANGS]);
    world.run_for(&mut walk, 150);
    let hung: u32 = (0..2).map(|endpoint| world.seen(endpoint).hung).sum();
    let wide = world.wide.as_ref().expect("there are scopes");
    assert_eq!((hung, wide.service.snapshot(world.now()).hung, blamed(&world)), (1, 0, [1, 0, 0]));
    world.abandon(&mut walk);
    assert_eq!(blamed(&world), [1, 0, 0], "once");
    assert_eq!((0..2).map(|endpoint| world.seen(endpoint).hung).sum::<u32>(), 0);
}

#[test]
fn a_body_that_breaks_is_one_scope_s_and_a_probe_s_lease_lasts_until_it_ends() {
    let world = scoped(Order::Seed, 1).build();
    world.trip_service();
    world.pass(1_000);
    let mut walk = world.begin_as(Flow::new(true), &[head(10)]);
    world.finish(&mut walk);
    let tail = walk.tail.take().expect("a body follows");
    assert!(tail.settle_by() < Time::NEVER);
    world.pass(50);
    tail.end(&world.pipeline, &world, Verdict::SUCCESS.outcome, world.now());
    let wide = world.wide.as_ref().expect("there are scopes");
    assert_eq!(wide.service.state(world.now()), State::Closed, "its probe has succeeded");

    let mut walk = world.begin_as(Flow::new(true), &[head(10)]);
    world.finish(&mut walk);
    let tail = walk.tail.take().expect("a body follows");
    tail.end(&world.pipeline, &world, Outcome::Failure(fusebox_core::Failure::Reset), world.now());
    assert_eq!(heard(&world).0, [1]);
}

#[test]
fn a_call_whose_caller_goes_away_gives_the_service_s_probe_back() {
    let world = scoped(Order::Seed, 1).build();
    world.trip_service();
    world.pass(1_000);
    let mut walk = world.begin(&[HANGS]);
    world.run_for(&mut walk, ms(10).as_millis() as u64);
    world.abandon(&mut walk);
    let wide = world.wide.as_ref().expect("there are scopes");
    let seen = wide.service.snapshot(world.now());
    assert_eq!((seen.probes.in_flight, seen.totals.failure), (0, 3), "the three that tripped it");
}
