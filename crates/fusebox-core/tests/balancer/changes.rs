//! Endpoints that come and go, what is in flight, and what happens when all are out.

use crate::world::{FAILED, Fleet, MILLI, World, circuit, fast, specs};
use fusebox_core::balancer::{self, Config, OnPanic, Tried};
use fusebox_core::{Failure, Outcome, Reason, Rng, Time};
use proptest::prelude::*;

const OUTCOMES: [Outcome; 4] =
    [Outcome::Success, Outcome::Failure(Failure::Error), Outcome::Ignored, Outcome::Cancelled];

#[test]
fn those_that_stay_keep_their_state_and_what_is_in_flight_settles_where_it_is_seen() {
    let mut world = World::new(Config { strategy: balancer::Strategy::P2c, ..Config::default() }, &specs(3));
    let picked = world.pick().expect("all are fit");
    let name = world.balancer.name(picked).expect("it is there").to_owned();
    world.balancer.set_healthy(2, false, world.now);
    // The order is turned round, and one is new.
    let mut turned = specs(4);
    turned.reverse();
    let after = world.balancer.with_endpoints(&turned, world.now);
    let there = (0..4).find(|i| after.name(*i) == Some(&name)).expect("it stays");
    assert_eq!(after.snapshot(world.now).endpoints[there].in_flight, 1);
    world.balancer.settle(picked, FAILED, MILLI, world.now);
    let endpoints = after.snapshot(world.now).endpoints;
    assert_eq!((endpoints[there].in_flight, endpoints[there].failure), (0, 1));
    assert!(endpoints[there].latency_nanos >= 5_000 * MILLI, "the penalty is seen too");
    assert!(!endpoints[1].healthy, "endpoint-2 is the second now");
    assert!(endpoints[0].ramp.as_f64() < 0.2, "the new one starts slowly");
    (world.balancer, world.circuits) = (after, Fleet((0..4).map(|_| circuit()).collect()));
    assert_eq!(world.run(100, MILLI, fast)[1], 0);
}

#[test]
fn a_part_that_is_used_beside_the_whole_leaves_the_comparison_to_it() {
    let world = World::new(Config::default(), &specs(6));
    let part = world.balancer.part(&specs(2), world.now);
    assert_eq!(part.next_due(), Time::NEVER);
    assert!(world.balancer.next_due() < Time::NEVER);
    world.balancer.set_healthy(1, false, world.now);
    assert!(!part.snapshot(world.now).endpoints[1].healthy, "it shares what is known");
}

#[test]
fn a_name_that_is_listed_twice_is_two_endpoints() {
    let mut twice = specs(2);
    twice[1] = twice[0].clone();
    let world = World::new(Config::default(), &twice);
    let after = world.balancer.with_endpoints(&twice, world.now);
    assert!(world.pick().is_ok());
    let in_flight: Vec<_> = after.snapshot(world.now).endpoints.iter().map(|e| e.in_flight).collect();
    assert_eq!(in_flight, [1, 0]);
}

#[test]
fn when_all_are_out_a_fallback_answers_or_the_call_fails_or_it_is_sent_anyway() {
    for (on_panic, reason, falls_back) in
        [(OnPanic::FallBack, Reason::NoEndpoint, true), (OnPanic::Fail, Reason::FleetOut, false)]
    {
        let world = World::new(Config { on_panic, ..Config::default() }, &specs(2));
        world.balancer.set_healthy(0, false, world.now);
        world.trip(1);
        let rejection = world.pick().expect_err("both are out");
        assert_eq!((rejection.reason, rejection.retry_at), (reason, Time::from_secs(30)));
        assert_eq!(rejection.reason.falls_back(), falls_back);
        assert_eq!(world.balancer.pick_anyway(&world.rng), None);
        assert_eq!(world.balancer.snapshot(world.now).refused, 1);
    }
}

#[test]
fn sent_anyway_goes_to_the_unhealthy_first_and_past_open_circuits_only_when_asked() {
    let world = World::new(Config { on_panic: OnPanic::SendAnyway, ..Config::default() }, &specs(2));
    world.balancer.set_healthy(0, false, world.now);
    world.trip(1);
    assert!((0..10).all(|_| world.pick() == Ok(0)));
    assert!(world.pick_not(Tried::default().with(0)).is_err(), "the other one's circuit is open");
    let anyway = world.balancer.pick_anyway(&world.rng).expect("one is there");
    world.balancer.settle(anyway, Outcome::Success, MILLI, world.now);
    let in_flight: u64 = world.balancer.snapshot(world.now).endpoints.iter().map(|e| e.in_flight).sum();
    assert_eq!(in_flight, 10);
}

#[test]
fn an_unhealthy_endpoint_is_out_and_one_that_stays_healthy_does_not_start_anew() {
    let mut world = World::new(Config::default(), &specs(2));
    world.balancer.set_healthy(0, false, world.now);
    assert_eq!(world.run(50, MILLI, fast), [0, 50]);
    world.balancer.set_healthy(1, true, world.now);
    assert_eq!(world.balancer.snapshot(world.now).endpoints[1].ramp.as_f64(), 1.0);
    world.balancer.set_healthy(9, true, world.now);
}

#[test]
fn a_cancelled_call_says_something_only_when_it_was_long() {
    let world = World::new(Config { strategy: balancer::Strategy::P2c, ..Config::default() }, &specs(1));
    let latency = || world.balancer.snapshot(world.now).endpoints[0].latency_nanos;
    let before = latency();
    world.balancer.settle(0, Outcome::Cancelled, MILLI, world.now);
    world.balancer.settle(0, Outcome::Ignored, 60_000 * MILLI, world.now);
    assert_eq!(latency(), before);
    world.balancer.settle(0, Outcome::Cancelled, 700 * MILLI, world.now);
    assert_eq!(latency(), 700 * MILLI);
}

/// What a run of random calls does next.
#[derive(Clone, Debug)]
enum Act {
    Pick,
    Settle(usize, usize),
    GiveBack(usize),
    Health(usize, bool),
    Trip(usize),
    Change(u64),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Pick),
        5 => (any::<usize>(), 0..OUTCOMES.len()).prop_map(|(call, outcome)| Act::Settle(call, outcome)),
        1 => any::<usize>().prop_map(Act::GiveBack),
        1 => (0usize..8, any::<bool>()).prop_map(|(i, healthy)| Act::Health(i, healthy)),
        1 => (0usize..8).prop_map(Act::Trip),
        1 => any::<u64>().prop_map(Act::Change),
        4 => (0u64..3_000).prop_map(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_flight_is_exact_through_every_change(
        acts in prop::collection::vec(act(), 1..120),
        strategy in prop::sample::select(balancer::Strategy::ALL.map(|(_, strategy)| strategy).to_vec()),
        panic in prop::sample::select(OnPanic::ALL.map(|(_, on_panic)| on_panic).to_vec()),
    ) {
        let config = Config { strategy, on_panic: panic, ..Config::default() };
        let mut world = World::new(config, &specs(8));
        // Balancers by generation, and the calls in flight: the generation and the endpoint they were picked by.
        let (mut balancers, mut calls): (Vec<_>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
        for act in acts {
            match act {
                Act::Pick => if let Ok(picked) = world.pick() {
                    calls.push((balancers.len(), picked));
                },
                Act::Settle(call, _) | Act::GiveBack(call) if !calls.is_empty() => {
                    let (generation, endpoint) = calls.swap_remove(call % calls.len());
                    let balancer = balancers.get(generation).unwrap_or(&world.balancer);
                    match act {
                        Act::Settle(_, outcome) => {
                            balancer.settle(endpoint, OUTCOMES[outcome], call as u64 % 1_000 * MILLI, world.now);
                        }
                        _ => balancer.give_back(endpoint),
                    }
                }
                Act::Settle(..) | Act::GiveBack(_) => {}
                Act::Health(endpoint, healthy) => world.balancer.set_healthy(endpoint, healthy, world.now),
                Act::Trip(endpoint) => if world.circuits.0[endpoint].admit(world.now).is_ok() {
                    world.circuits.0[endpoint] = circuit();
                    world.trip(endpoint);
                },
                Act::Change(seed) => {
                    // The same eight, in another order.
                    let (mut order, mut rng) = (specs(8), Rng::seeded(seed));
                    (1..8).for_each(|i| order.swap(i, rng.up_to(i as u64) as usize));
                    let after = world.balancer.with_endpoints(&order, world.now);
                    balancers.push(std::mem::replace(&mut world.balancer, after));
                }
                Act::Pass(millis) => world.pass(millis * MILLI),
            }
            let in_flight: u64 = world.balancer.snapshot(world.now).endpoints.iter().map(|e| e.in_flight).sum();
            prop_assert_eq!(in_flight, calls.len() as u64);
        }
        for (generation, endpoint) in calls {
            let balancer = balancers.get(generation).unwrap_or(&world.balancer);
            balancer.settle(endpoint, Outcome::Success, MILLI, world.now);
        }
        for endpoint in world.balancer.snapshot(world.now).endpoints {
            prop_assert_eq!(endpoint.in_flight, 0);
            let ended = endpoint.success + endpoint.failure + endpoint.ignored + endpoint.cancelled;
            prop_assert_eq!(endpoint.picked, ended + endpoint.given_back);
        }
    }
}
