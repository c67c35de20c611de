//! Near before far, and when the far ones help.

use crate::world::{FAILED, MILLI, World, fast, specs};
use fusebox_core::balancer::{Config, Spec, Strategy, Tried};
use fusebox_core::{Outcome, Reason, Time};

const SECOND: u64 = 1_000 * MILLI;

/// Endpoints at `region/zone`, so many of each.
fn at(places: &[(&str, &str, usize)]) -> Vec<Spec> {
    let places =
        places.iter().flat_map(|(region, zone, count)| std::iter::repeat_n((*region, *zone), *count));
    let there = |(i, (region, zone)): (usize, (&str, &str))| Spec {
        name: format!("{region}-{zone}-{i}").into(),
        weight: 1,
        region: Some(region.into()),
        zone: Some(zone.into()),
    };
    places.enumerate().map(there).collect()
}

fn ours() -> Config {
    Config { region: Some("eu".into()), zone: Some("a".into()), ..Config::default() }
}

/// The share of calls that go to each of `groups`, endpoints counted off from the first.
fn shares(world: &mut World, groups: &[usize]) -> Vec<f64> {
    let had = world.run(10_000, MILLI, fast);
    let mut from = 0;
    let share = |size: &usize| {
        let sum: usize = had[from..from + size].iter().sum();
        from += size;
        sum as f64 / 10_000.0
    };
    groups.iter().map(share).collect()
}

#[test]
fn calls_spill_over_as_the_nearer_tier_loses_endpoints() {
    // Open circuits of ten in our region, and the share that stays: what is fit of it, over 0.7.
    let table =
        [(0, 1.0), (3, 1.0), (4, 0.6 / 0.7), (5, 0.5 / 0.7), (7, 0.3 / 0.7), (9, 0.1 / 0.7), (10, 0.0)];
    for (_, strategy) in Strategy::ALL {
        for (open, stays) in table {
            let config = Config { strategy, ..ours() };
            let mut world = World::new(config, &at(&[("eu", "a", 10), ("us", "a", 10)]));
            (0..open).for_each(|endpoint| world.trip(endpoint));
            let had = shares(&mut world, &[10, 10]);
            assert!((had[0] - stays).abs() < 0.02, "{strategy:?}, {open} open: {} stay, not {stays}", had[0]);
            assert!((had[0] + had[1] - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn zone_before_region_before_the_others_in_their_order() {
    let specs = at(&[("eu", "a", 2), ("eu", "b", 2), ("us", "a", 2), ("ap", "a", 2), ("sa", "a", 2)]);
    let config = Config { other_regions: vec!["ap".into(), "us".into()], ..ours() };
    let mut world = World::new(config, &specs);
    // The groups, nearest first, by their first endpoint; "sa" is not in the list.
    for first in [0, 2, 6, 4, 8] {
        let had = world.run(100, MILLI, fast);
        assert_eq!(had[first] + had[first + 1], 100, "{had:?}");
        world.trip(first);
        world.trip(first + 1);
        world.pass(100 * MILLI);
    }
    assert!(world.pick().is_err());
}

#[test]
fn where_nobody_says_where_we_are_all_are_the_same() {
    let mut world = World::new(Config::default(), &at(&[("eu", "a", 1), ("us", "a", 1)]));
    assert_eq!(world.run(100, MILLI, fast), [50, 50]);
}

#[test]
fn a_slow_region_loses_calls_before_any_circuit_opens_and_has_them_back_when_it_is_fast() {
    let mut world = World::new(ours(), &at(&[("eu", "a", 4), ("us", "a", 4)]));
    assert_eq!(shares(&mut world, &[4, 4]), [1.0, 0.0]);
    let slow = |nanos| move |endpoint| (Outcome::Success, if endpoint < 4 { nanos } else { MILLI });
    // Its mean follows with a time constant of 10 s.
    world.run(40_000, MILLI, slow(3_750 * MILLI));
    let share = world.balancer.snapshot(world.now).tiers[0].share.as_f64();
    assert!((share - 0.5).abs() < 0.05, "three quarters of 5 s is half of the way: {share}");
    world.run(40_000, MILLI, slow(6_000 * MILLI));
    let share = world.balancer.snapshot(world.now).tiers[0].share.as_f64();
    assert!((share - 0.1).abs() < 0.02, "a tenth stays: {share}");
    world.run(60_000, MILLI, slow(MILLI));
    assert_eq!(shares(&mut world, &[4, 4]), [1.0, 0.0]);
}

#[test]
fn another_region_may_be_three_times_as_slow() {
    let specs = at(&[("us", "a", 2), ("ap", "a", 2)]);
    for (seconds, share) in [(6, 1.0), (12, 0.4)] {
        let mut world = World::new(ours(), &specs);
        let answer = |endpoint| (Outcome::Success, if endpoint < 2 { seconds * SECOND } else { MILLI });
        world.run(60_000, MILLI, answer);
        let found = world.balancer.snapshot(world.now).tiers[0].share.as_f64();
        assert!((found - share).abs() < 0.05, "{seconds} s leave {found}");
    }
}

#[test]
fn a_fallback_finds_another_region_although_ours_is_fit() {
    let mut world = World::new(ours(), &at(&[("eu", "a", 3), ("us", "a", 1), ("ap", "a", 1)]));
    let elsewhere =
        |world: &World, tried| world.balancer.pick_elsewhere(tried, &world.circuits, &world.rng, world.now);
    assert_eq!(elsewhere(&world, Tried::default()), Ok(3));
    assert_eq!(elsewhere(&world, Tried::default().with(3)), Ok(4));
    world.trip(3);
    world.pass(SECOND);
    world.trip(4);
    let rejection = elsewhere(&world, Tried::default()).expect_err("both are open");
    assert_eq!((rejection.reason, rejection.retry_at), (Reason::NoEndpoint, Time::from_secs(30)));
    assert!(world.pick().is_ok(), "ours is");
    let alone = World::new(ours(), &specs(3));
    assert_eq!(elsewhere(&alone, Tried::default()).map_err(|r| r.retry_at), Err(Time::NEVER));
}

#[test]
fn a_nearer_tier_that_was_all_out_is_probed_and_comes_back() {
    let mut world = World::new(ours(), &at(&[("eu", "a", 2), ("us", "a", 2)]));
    (0..2).for_each(|endpoint| world.trip(endpoint));
    world.run(10, MILLI, fast);
    world.pass(30 * SECOND);
    let mut probed = [0, 0];
    for _ in 0..100 {
        world.pass(10 * MILLI);
        let picked = world.pick().expect("one is fit");
        if let Some(count) = probed.get_mut(picked) {
            *count += 1;
            if *count == 1 {
                world.mend(picked);
            }
        }
        world.balancer.settle(picked, Outcome::Success, MILLI, world.now);
    }
    assert!(probed[0] > 10 && probed[1] > 10, "{probed:?}");
    let far = world.run(100, MILLI, fast)[2..].iter().sum::<usize>();
    assert_eq!(far, 0);
}

#[test]
fn a_far_tier_that_nobody_needs_is_not_probed() {
    let mut world = World::new(ours(), &at(&[("eu", "a", 2), ("us", "a", 2)]));
    world.trip(2);
    world.pass(31 * SECOND);
    assert_eq!(world.run(1_000, MILLI, fast), [500, 500, 0, 0]);
}

#[test]
fn failures_of_one_region_are_nothing_to_another() {
    let mut world =
        World::new(Config { strategy: Strategy::P2c, ..ours() }, &at(&[("eu", "a", 2), ("us", "a", 2)]));
    (0..100).for_each(|_| world.balancer.settle(2, FAILED, MILLI, world.now));
    let snapshot = world.balancer.snapshot(world.now);
    assert_eq!(snapshot.tiers[0].latency_nanos, 0);
    assert_eq!(shares(&mut world, &[2, 2]), [1.0, 0.0]);
}
