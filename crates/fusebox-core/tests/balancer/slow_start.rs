//! What an endpoint has when it comes back.

use crate::world::{FAILED, MILLI, World, fast, specs};
use fusebox_core::balancer::{Config, Strategy};
use fusebox_core::{Time, breaker};

const SECOND: u64 = 1_000 * MILLI;

/// The calls that endpoint 0 of two has in each of 12 seconds at 1,000 a second.
fn by_second(world: &mut World) -> Vec<usize> {
    (0..12).map(|_| world.run(1_000, MILLI, fast)[0]).collect()
}

#[test]
fn an_endpoint_whose_circuit_has_closed_takes_a_growing_share() {
    for (_, strategy) in Strategy::ALL {
        let mut world = World::new(Config { strategy, ..Config::default() }, &specs(2));
        world.run(1_000, MILLI, fast);
        (0..3).for_each(|_| world.balancer.settle(0, FAILED, MILLI, world.now));
        world.trip(0);
        world.run(29_999, MILLI, |endpoint| {
            assert_eq!(endpoint, 1, "the other one is open");
            fast(endpoint)
        });
        world.pass(MILLI);
        world.mend(0);
        let had = by_second(&mut world);
        // The whole share of a strategy that looks at latency hangs on a race of equals: only the ramp is the same for all.
        assert!((20..=200).contains(&had[0]), "{strategy:?}: {had:?}");
        assert!(had[4] > had[0] * 3 / 2, "{strategy:?}: {had:?}");
        assert!(had[10] > 300, "{strategy:?}: {had:?}");
    }
}

#[test]
fn in_turn_the_share_follows_the_time() {
    let mut world = World::new(Config::default(), &specs(2));
    world.balancer.set_healthy(0, false, world.now);
    assert_eq!(world.run(100, MILLI, fast), [0, 100]);
    world.balancer.set_healthy(0, true, world.now);
    for (second, had) in by_second(&mut world).into_iter().enumerate() {
        // Of two in turn, one of which passes a share s of its turns on: s / (1 + s).
        let share = (second as f64 + 0.5).clamp(1.0, 10.0) / 10.0;
        let expected = 1_000.0 * share / (1.0 + share);
        assert!((had as f64 - expected).abs() < 60.0, "second {second}: {had} calls, {expected} expected");
    }
}

#[test]
fn a_slow_start_may_be_turned_off() {
    let config = Config { slow_start: std::time::Duration::ZERO, ..Config::default() };
    let mut world = World::new(config, &specs(2));
    world.trip(0);
    world.pass(30 * SECOND);
    world.mend(0);
    assert_eq!(world.run(100, MILLI, fast), [50, 50]);
}

#[test]
fn those_that_begin_together_begin_at_once() {
    let mut world = World::new(Config::default(), &specs(4));
    assert_eq!(world.run(100, MILLI, fast), [25; 4]);
}

#[test]
fn a_circuit_that_only_shadows_keeps_nobody_away_and_starts_nothing() {
    let mut world = World::new(Config::default(), &specs(2));
    let (actor, reason) = ("ops".into(), "to see".into());
    let hold = breaker::Hold { mode: breaker::Mode::Shadow, actor, reason, expires: Time::NEVER };
    world.circuits.0[0].hold(hold, world.now);
    world.trip(0);
    assert_eq!(world.circuits.0[0].snapshot(world.now).shadow, Some(breaker::State::Open));
    assert_eq!(world.run(100, MILLI, fast), [50, 50]);
    world.pass(30 * SECOND);
    world.mend(0);
    assert_eq!(world.circuits.0[0].snapshot(world.now).shadow, Some(breaker::State::Closed));
    assert_eq!(world.run(100, MILLI, fast), [50, 50]);
}
