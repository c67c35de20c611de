//! Who is picked, and how often.

use crate::world::{FAILED, MILLI, World, fast, specs};
use fusebox_core::balancer::{Config, Spec, Strategy, Tried};
use fusebox_core::{Outcome, Reason, Time};
use proptest::prelude::*;

fn with(strategy: Strategy) -> Config {
    Config { strategy, ..Config::default() }
}

fn weighted(weights: &[u32]) -> Vec<Spec> {
    specs(weights.len())
        .into_iter()
        .zip(weights)
        .map(|(spec, weight)| Spec { weight: *weight, ..spec })
        .collect()
}

#[test]
fn equals_are_picked_in_turn() {
    let world = World::new(Config::default(), &specs(3));
    let order: Vec<_> = (0..7).map(|_| world.pick().expect("all are fit")).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn the_neighbour_of_one_that_is_out_has_no_more_than_the_others() {
    let mut world = World::new(Config::default(), &specs(5));
    world.trip(1);
    assert_eq!(world.run(400, MILLI, fast), [100, 0, 100, 100, 100]);
}

#[test]
fn a_heavy_endpoint_has_its_turns_spread_over_the_round() {
    let world = World::new(Config::default(), &weighted(&[5, 1, 1]));
    let order: Vec<_> = (0..70).map(|_| world.pick().expect("all are fit")).collect();
    for round in order.chunks(7) {
        let longest = round.split(|endpoint| *endpoint != 0).map(<[usize]>::len).max();
        assert!(longest <= Some(3), "{round:?}");
    }
}

#[test]
fn two_choices_spare_an_endpoint_that_fails_fast() {
    let mut world = World::new(with(Strategy::P2c), &specs(10));
    let had = world.run(10_000, MILLI, |endpoint| match endpoint {
        3 => (FAILED, MILLI / 100),
        _ => (Outcome::Success, 5 * MILLI),
    });
    assert!(had[3] < 200, "the broken one had {} of 10,000 calls", had[3]);
    assert!(had.iter().enumerate().all(|(i, calls)| i == 3 || *calls > 500), "{had:?}");
}

#[test]
fn without_a_penalty_an_endpoint_that_fails_fast_attracts_calls() {
    let config = Config { penalty: std::time::Duration::ZERO, ..with(Strategy::P2c) };
    let mut world = World::new(config, &specs(10));
    let had = world.run(10_000, MILLI, |endpoint| match endpoint {
        3 => (FAILED, MILLI / 100),
        _ => (Outcome::Success, 5 * MILLI),
    });
    assert!(had[3] > 1_000, "the broken one had only {} of 10,000 calls", had[3]);
}

#[test]
fn two_choices_prefer_the_faster_and_the_less_busy() {
    let mut world = World::new(with(Strategy::P2c), &specs(2));
    let slow = |endpoint| (Outcome::Success, if endpoint == 0 { 100 * MILLI } else { MILLI });
    let had = world.run(1_000, MILLI, slow);
    assert!(had[0] < 20, "{had:?}");
    // Their latencies are now far apart; 1 in 100 of the calls in flight is where they balance.
    let mut world = World::new(with(Strategy::P2c), &specs(2));
    let held: Vec<_> = (0..100).map(|_| world.pick().expect("both are fit")).collect();
    let first = held.iter().filter(|endpoint| **endpoint == 0).count();
    assert_eq!(first, 50, "of equals, the one with less in flight is taken");
    world.pass(MILLI);
}

#[test]
fn the_least_loaded_is_picked_by_weight() {
    let world = World::new(with(Strategy::LeastRequests), &weighted(&[3, 1]));
    let held: Vec<_> = (0..400).map(|_| world.pick().expect("both are fit")).collect();
    assert_eq!(held.iter().filter(|endpoint| **endpoint == 0).count(), 300);
    (0..300).for_each(|_| world.balancer.settle(0, Outcome::Success, MILLI, world.now));
    let next: Vec<_> = (0..100).map(|_| world.pick().expect("both are fit")).collect();
    assert!(next.iter().all(|endpoint| *endpoint == 0), "it has nothing in flight any more");
}

#[test]
fn nobody_is_picked_whose_circuit_is_open_and_the_way_out_is_the_earliest() {
    for (_, strategy) in Strategy::ALL {
        let mut world = World::new(with(strategy), &specs(3));
        world.trip(0);
        world.pass(1_000 * MILLI);
        world.trip(2);
        let had = world.run(50, MILLI, fast);
        assert_eq!(had, [0, 50, 0], "{strategy:?}");
        world.trip(1);
        let rejection = world.pick().expect_err("all are open");
        assert_eq!((rejection.reason, rejection.retry_at), (Reason::NoEndpoint, Time::from_secs(30)));
        world.now = rejection.retry_at;
        assert_eq!(world.pick(), Ok(0), "{strategy:?}: the first that is half-open");
    }
}

#[test]
fn a_half_open_circuit_has_its_probe_although_its_latency_is_that_of_its_failures() {
    let mut world = World::new(with(Strategy::P2c), &specs(10));
    world.run(1_000, MILLI, fast);
    (0..3).for_each(|_| world.balancer.settle(4, FAILED, MILLI, world.now));
    world.trip(4);
    world.pass(30_000 * MILLI);
    let until_probed = (0..100).find(|_| world.pick() == Ok(4));
    assert!(until_probed.is_some_and(|calls| calls < 5), "{until_probed:?}");
}

#[test]
fn what_was_tried_is_not_picked_again() {
    for (_, strategy) in Strategy::ALL {
        let world = World::new(with(strategy), &specs(4));
        let mut tried = Tried::default();
        for _ in 0..4 {
            let picked = world.pick_not(tried).expect("one is left");
            assert!(!tried.has(picked), "{strategy:?} picked {picked} again");
            tried = tried.with(picked);
            world.balancer.give_back(picked);
        }
        assert_eq!(world.pick_not(tried).map_err(|refused| refused.reason), Err(Reason::NoEndpoint));
    }
}

#[test]
fn a_balancer_without_endpoints_refuses() {
    let world = World::new(Config::default(), &[]);
    let rejection = world.pick().expect_err("there is none");
    assert_eq!((rejection.reason, rejection.retry_at), (Reason::NoEndpoint, Time::NEVER));
    world.balancer.settle(0, Outcome::Success, 1, world.now);
    world.balancer.give_back(7);
}

#[test]
fn an_endpoint_of_no_weight_is_drained() {
    for (_, strategy) in Strategy::ALL {
        let mut world = World::new(with(strategy), &weighted(&[1, 0, 2]));
        assert_eq!(world.run(100, MILLI, fast)[1], 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn in_a_round_each_has_as_many_turns_as_its_weight(weights in prop::collection::vec(1u32..50, 1..12)) {
        let config = Config { outliers: None, ..Config::default() };
        let mut world = World::new(config, &weighted(&weights));
        let total: u32 = weights.iter().sum();
        let had = world.run(total as usize, MILLI, fast);
        let expected: Vec<_> = weights.iter().map(|weight| *weight as usize).collect();
        prop_assert_eq!(had, expected);
    }

    #[test]
    fn two_choices_of_equals_leave_nobody_out(count in 2usize..40, gap in 1u64..20) {
        let config = Config { outliers: None, ..with(Strategy::P2c) };
        let mut world = World::new(config, &specs(count));
        let had = world.run(count * 200, gap * MILLI, fast);
        prop_assert!(had.iter().all(|calls| *calls > 20), "{:?}", had);
    }
}
