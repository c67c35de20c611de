//! The adaptive wait learns what outages take, however it measures them.

use fusebox_core::breaker::{CircuitBreaker, Config, State, WaitInOpen, WaitStrategy};
use fusebox_core::{Failure, Outcome, Rng, Time};
use std::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A circuit under steady traffic and a dependency that is out now and then, an hour apart.
struct World {
    circuit: CircuitBreaker,
    now: Time,
}

impl World {
    fn new(base: Duration, jitter: f64, seed: u64) -> World {
        let strategy = WaitStrategy::Adaptive { percentile: 0.5, base, max: secs(300) };
        let config = Config { wait_in_open: WaitInOpen { strategy, jitter }, ..Config::default() };
        let settings = config.check(None).expect("works");
        World { circuit: CircuitBreaker::new(settings, Rng::seeded(seed), Time::ZERO), now: Time::ZERO }
    }

    fn call(&mut self, outcome: Outcome) {
        let ticket = self.circuit.admit(self.now).expect("admitted");
        self.circuit.settle(ticket, outcome, self.now);
    }

    /// One outage; when each of its probes was sent, after the trip.
    fn outage(&mut self, takes: Duration) -> Vec<Duration> {
        self.now = self.now + secs(3_600);
        (0..10).for_each(|_| self.call(Outcome::Failure(Failure::Error)));
        let (tripped, mut probes) = (self.now, Vec::new());
        while self.circuit.state(self.now) != State::Closed {
            if self.circuit.state(self.now) == State::Open {
                self.now = self.circuit.next_due();
                probes.push(self.now.since(tripped));
            }
            let good = self.now >= tripped + takes;
            self.call(if good { Outcome::Success } else { Outcome::Failure(Failure::Error) });
        }
        probes
    }

    fn learned(&self) -> Duration {
        self.circuit.snapshot(self.now).recovery.expect("three recoveries are known")
    }
}

#[test]
fn ten_outages_of_40_s_teach_a_wait_of_36_to_44_s_whatever_the_first_waits_were() {
    for base in [1, 3, 5, 10, 15, 20, 30, 36] {
        let mut world = World::new(secs(base), 0.0, 1);
        let probes: Vec<_> = (0..10).map(|_| world.outage(secs(40))).collect();
        let learned = world.learned();
        assert!((secs(36)..=secs(44)).contains(&learned), "base {base} s: {learned:?} of {probes:?}");
    }
}

#[test]
fn jitter_does_not_keep_it_from_learning() {
    for seed in 0..200 {
        let mut world = World::new(secs(5), 0.1, seed);
        (0..10).for_each(|_| drop(world.outage(secs(40))));
        let learned = world.learned();
        assert!((secs(36)..=secs(44)).contains(&learned), "seed {seed}: {learned:?}");
    }
}

#[test]
fn shorter_outages_are_learned_too() {
    let mut world = World::new(secs(3), 0.0, 1);
    (0..10).for_each(|_| drop(world.outage(secs(40))));
    let first_good: Vec<_> = (0..4).map(|_| *world.outage(secs(10)).last().expect("probed")).collect();
    assert!(
        first_good[1..].iter().all(|at| *at < secs(20)),
        "found early before it is learned: {first_good:?}"
    );
    (0..16).for_each(|_| drop(world.outage(secs(10))));
    let learned = world.learned();
    assert!((secs(8)..=secs(12)).contains(&learned), "{learned:?}");
}

#[test]
fn longer_outages_are_learned_too() {
    let mut world = World::new(secs(3), 0.0, 1);
    (0..10).for_each(|_| drop(world.outage(secs(10))));
    (0..20).for_each(|_| drop(world.outage(secs(100))));
    let learned = world.learned();
    assert!((secs(90)..=secs(110)).contains(&learned), "{learned:?}");
}

#[test]
fn what_is_learned_costs_at_most_two_bad_probes_an_outage() {
    let mut world = World::new(secs(5), 0.0, 1);
    (0..20).for_each(|_| drop(world.outage(secs(40))));
    for _ in 0..20 {
        let probes = world.outage(secs(40));
        assert!(probes.len() <= 3, "{probes:?}");
        assert!(*probes.last().expect("probed") <= secs(50), "{probes:?}");
    }
}

#[test]
fn two_recoveries_teach_nothing_and_the_waits_double() {
    let mut world = World::new(secs(5), 0.0, 1);
    for _ in 0..3 {
        assert_eq!(world.circuit.snapshot(world.now).recovery, None);
        assert_eq!(world.outage(secs(40)), [secs(5), secs(15), secs(35), secs(75)]);
    }
}

#[test]
fn the_default_wait_learns_nothing() {
    let settings = Config::default().check(None).expect("works");
    let circuit = CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO);
    let mut world = World { circuit, now: Time::ZERO };
    (0..5).for_each(|_| drop(world.outage(secs(40))));
    assert_eq!(world.circuit.snapshot(world.now).recovery, None);
}
