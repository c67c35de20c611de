//! The odd one out, and how many may be out at once.

use crate::world::{FAILED, MILLI, World, fast, specs};
use fusebox_core::balancer::{Config, OutlierRule, Outliers};
use fusebox_core::{Outcome, Time};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: u64 = 1_000 * MILLI;

fn ejected(world: &World) -> Vec<usize> {
    let endpoints = world.balancer.snapshot(world.now).endpoints;
    (0..endpoints.len()).filter(|i| endpoints[*i].ejected_until.is_some()).collect()
}

/// Every endpoint has 100 calls, of which so many fail; then the interval ends.
fn interval(world: &mut World, failures: &[usize]) {
    for (endpoint, failures) in failures.iter().enumerate() {
        for call in 0..100 {
            let outcome = if call < *failures { FAILED } else { Outcome::Success };
            world.balancer.settle(endpoint, outcome, MILLI, world.now);
        }
    }
    world.pass(10 * SECOND);
    world.balancer.tick(world.now);
}

#[test]
fn the_one_that_fails_eight_calls_of_a_hundred_is_ejected_for_a_while() {
    let mut world = World::new(Config::default(), &specs(10));
    interval(&mut world, &[0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ejected(&world), [2]);
    let endpoint = &world.balancer.snapshot(world.now).endpoints[2];
    assert_eq!(endpoint.ejected_until, Some(Time::from_secs(40)));
    assert_eq!((endpoint.ejections, endpoint.last_ejection), (1, Some(OutlierRule::SuccessRate)));
    assert_eq!(world.run(900, MILLI, fast)[2], 0);
    world.now = Time::from_secs(41);
    let had = world.run(1_000, MILLI, fast);
    assert!((1..50).contains(&had[2]), "it comes back slowly: {had:?}");
}

#[test]
fn a_single_error_in_a_perfect_fleet_ejects_nobody() {
    let mut world = World::new(Config::default(), &specs(10));
    interval(&mut world, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ejected(&world), []);
}

#[test]
fn a_fleet_that_fails_as_one_keeps_all() {
    let mut world = World::new(Config::default(), &specs(10));
    interval(&mut world, &[50, 55, 45, 52, 48, 50, 50, 53, 47, 50]);
    assert_eq!(ejected(&world), []);
}

#[test]
fn nobody_is_compared_by_few_calls_or_to_few_others() {
    let mut world = World::new(Config::default(), &specs(10));
    (0..19).for_each(|_| world.balancer.settle(2, FAILED, MILLI, world.now));
    interval(&mut world, &[]);
    assert_eq!(ejected(&world), []);
    let mut world = World::new(Config::default(), &specs(5));
    interval(&mut world, &[0, 0, 100, 0, 0]);
    assert_eq!(ejected(&world), []);
}

#[test]
fn the_slow_one_is_ejected_and_the_slower_one_is_not() {
    for (nanos, out) in [(20 * MILLI, vec![4]), (3 * MILLI, vec![])] {
        let mut world = World::new(Config::default(), &specs(8));
        for endpoint in 0..8 {
            let nanos = if endpoint == 4 { nanos } else { MILLI };
            (0..50).for_each(|_| world.balancer.settle(endpoint, Outcome::Success, nanos, world.now));
        }
        world.pass(10 * SECOND);
        world.balancer.tick(world.now);
        assert_eq!(ejected(&world), out);
    }
}

#[test]
fn an_ejection_grows_with_each_in_a_row_up_to_the_longest() {
    let rules = Outliers { max_ejection: Duration::from_secs(80), ..Outliers::default() };
    let mut world = World::new(Config { outliers: Some(rules), ..Config::default() }, &specs(6));
    let bad = [100, 0, 0, 0, 0, 0];
    let mut spans = Vec::new();
    for _ in 0..4 {
        interval(&mut world, &bad);
        let until = world.balancer.snapshot(world.now).endpoints[0].ejected_until.expect("ejected");
        spans.push(until.since(world.now).as_secs());
        world.now = until;
        world.balancer.tick(world.now);
    }
    assert_eq!(spans, [30, 60, 80, 80]);
    for _ in 0..4 {
        interval(&mut world, &[0; 6]);
    }
    interval(&mut world, &bad);
    let until = world.balancer.snapshot(world.now).endpoints[0].ejected_until.expect("ejected");
    assert_eq!(until.since(world.now).as_secs(), 30, "four good intervals have made up for four ejections");
}

#[test]
fn picks_compare_without_a_timer() {
    let mut world = World::new(Config::default(), &specs(10));
    for endpoint in 0..10 {
        let outcome = if endpoint == 7 { FAILED } else { Outcome::Success };
        (0..30).for_each(|_| world.balancer.settle(endpoint, outcome, MILLI, world.now));
    }
    assert_eq!(world.balancer.next_due(), Time::from_secs(10));
    world.now = Time::from_secs(10);
    assert_eq!(world.run(90, MILLI, fast)[7], 0);
}

#[test]
fn regions_are_not_compared_to_each_other() {
    let mut specs = specs(12);
    specs[6..].iter_mut().for_each(|spec| spec.region = Some("us".into()));
    let mut world = World::new(Config { region: Some("eu".into()), ..Config::default() }, &specs);
    for endpoint in 0..12 {
        let nanos = if endpoint < 6 { MILLI } else { 150 * MILLI };
        (0..50).for_each(|_| world.balancer.settle(endpoint, Outcome::Success, nanos, world.now));
    }
    world.pass(10 * SECOND);
    world.balancer.tick(world.now);
    assert_eq!(ejected(&world), []);
}

#[test]
fn the_cap_does_not_bind_circuits() {
    let world = World::new(Config::default(), &specs(4));
    (0..3).for_each(|endpoint| world.trip(endpoint));
    assert!((0..20).all(|_| world.pick() == Ok(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn never_more_are_out_than_the_cap_allows(
        intervals in prop::collection::vec(prop::collection::vec(0usize..100, 20), 1..12),
        count in 1usize..20,
        cap in 0.05f64..1.0,
        factor in 0.1f64..3.0,
    ) {
        let rules = Outliers {
            max_ejected: cap,
            success_rate: Some(factor),
            success_gap: 0.0,
            minimum_endpoints: 3,
            latency: None,
            ..Outliers::default()
        };
        let mut world = World::new(Config { outliers: Some(rules), ..Config::default() }, &specs(count));
        for failures in intervals {
            interval(&mut world, &failures[..count]);
            let out = ejected(&world).len();
            prop_assert!(out as f64 <= cap * count as f64, "{out} of {count} are out, the cap is {cap}");
        }
    }
}
