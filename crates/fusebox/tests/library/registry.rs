//! Circuits by name.

use crate::{three_strikes, totals};
use fusebox::breaker::{Config, State};
use fusebox::{Clock, Fuse, Registry, Rng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

fn of_two() -> Registry {
    Registry::with_clock(2, Clock::manual().0, Rng::seeded(1))
}

#[test]
fn one_name_is_one_circuit() {
    let registry = of_two();
    registry.circuit("a").call(|| Err::<(), _>("down")).expect_err("it fails");
    assert_eq!(totals(&registry.circuit("a")).failure, 1);
    assert_eq!(totals(&registry.circuit("b")).failure, 0);
    assert!(registry.find("c").is_none());
    let names: Vec<_> = registry.all().iter().map(|circuit| circuit.name().to_string()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_registry_full_of_active_circuits_lets_newcomers_share_one() {
    let registry = of_two();
    let held = [registry.circuit("a"), registry.circuit("b")];
    for tenant in 0..1_000 {
        assert_eq!(&**registry.circuit(&format!("tenant-{tenant}")).name(), "other");
    }
    assert_eq!((registry.all().len(), registry.turned_away()), (3, 1_000));
    assert_eq!(held.map(|circuit| circuit.name().to_string()), ["a", "b"]);
}

#[test]
fn a_registry_makes_room_by_letting_go_of_idle_circuits() {
    let (clock, hand) = Clock::manual();
    let registry = Registry::with_clock(2, clock, Rng::seeded(1));
    let _held = registry.circuit("a");
    registry.circuit("idle").call(|| Ok::<_, String>(())).expect("it works");
    hand.advance(Duration::from_secs(61));
    assert_eq!(&**registry.circuit("b").name(), "b");
    assert!(registry.find("idle").is_none() && registry.find("a").is_some());
}

#[test]
fn an_open_circuit_is_never_let_go_of() {
    let registry = of_two();
    for name in ["a", "b"] {
        let circuit = registry.circuit_with(name, &three_strikes()).expect("the settings work");
        for _ in 0..3 {
            circuit.call(|| Err::<(), _>("down")).expect_err("it fails");
        }
    }
    assert_eq!(&**registry.circuit("c").name(), "other");
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let config = Config { failure_rate: Some(1.5), half_open_probes: 0, ..Config::default() };
    let refused = of_two().circuit_with("a", &config).expect_err("they cannot work");
    let fields: Vec<_> = refused.0.iter().map(|error| error.field).collect();
    assert_eq!(fields, ["failure_rate", "half_open_probes"]);
}

#[test]
fn a_listener_may_use_the_registry_while_that_makes_room() {
    let (clock, hand) = Clock::manual();
    let registry = Registry::with_clock(2, clock, Rng::seeded(1));
    let (inside, heard) = (registry.clone(), Arc::new(AtomicU32::new(0)));
    let ear = heard.clone();
    registry.subscribe(Arc::new(move |name, _| {
        assert!(inside.find(name).is_some());
        ear.fetch_add(1, Relaxed);
    }));
    for name in ["a", "b"] {
        let circuit = registry.circuit_with(name, &three_strikes()).expect("the settings work");
        for _ in 0..3 {
            circuit.call(|| Err::<(), _>("down")).expect_err("it fails");
        }
    }
    hand.advance(crate::WAIT);
    assert_eq!(&**registry.circuit("c").name(), "other", "two half-open circuits are not idle");
    registry.tick();
    assert_eq!(heard.load(Relaxed), 4, "two trips, two half-open phases");
}

#[test]
fn a_fuse_around_a_registrys_circuit_is_heard_and_seen_there() {
    let (clock, _hand) = Clock::manual();
    let registry = Registry::with_clock(8, clock, Rng::seeded(1));
    let heard = Arc::new(AtomicU32::new(0));
    let count = heard.clone();
    registry.subscribe(Arc::new(move |_, _| {
        count.fetch_add(1, Relaxed);
    }));
    let fuse = Fuse::builder("unused").circuit(registry.circuit("payments")).build_blocking().expect("works");
    (0..10).for_each(|_| drop(fuse.call(|| Err::<(), _>(()))));
    assert_eq!(registry.find("payments").map(|circuit| circuit.state()), Some(State::Open));
    assert_eq!(heard.load(Relaxed), 1);
}
