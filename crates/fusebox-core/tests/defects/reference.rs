//! Divergences that the reference model found, each with the shortest calls that show it.

use crate::{Circuit, FAILED, plain, secs};
use fusebox_core::breaker::{Config, HalfOpen, Hold, Mode, Setting, State, Window};
use fusebox_core::{Outcome, Time};
use std::time::Duration;

fn hold(circuit: &Circuit, mode: Mode, expires: Time) {
    let (actor, reason) = ("ops".into(), "drill".into());
    circuit.breaker.hold(Hold { mode, actor, reason, expires }, circuit.now);
}

#[test]
fn a_wait_that_ends_under_a_hold_is_over_when_the_hold_is_and_not_before() {
    let mut circuit = Circuit::new(plain());
    circuit.until_open(5, FAILED);
    hold(&circuit, Mode::ForcedOpen, Time::from_secs(100));
    circuit.pass(secs(1_000));
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.since), (State::HalfOpen, Time::from_secs(100)));
}

#[test]
fn a_timer_that_watched_hung_calls_does_not_spin_once_the_circuit_is_no_longer_closed() {
    let mut circuit =
        Circuit::new(Config { window: Window::Time(secs(60)), consecutive_failures: Some(2), ..plain() });
    let mut hanging = circuit.ticket();
    circuit.pass(secs(5));
    circuit.breaker.overdue(&mut hanging, circuit.now);
    circuit.calls(1, FAILED, Duration::ZERO);
    assert_eq!(circuit.breaker.next_due(), Time::from_secs(35));
    circuit.now = Time::from_secs(35);
    circuit.breaker.tick(circuit.now);
    assert_eq!((circuit.state(), circuit.breaker.next_due()), (State::HalfOpen, Time::NEVER));
}

#[test]
fn a_phase_at_its_limit_reopens_even_if_its_last_lease_ends_at_that_moment() {
    let half_open = HalfOpen::Sample { sample: 2, failure_rate: 1.0 };
    let lease = Setting::Is(secs(3));
    let limits = Config { probe_lease: lease, half_open_limit: Some(secs(3)), half_open, ..plain() };
    let mut circuit = Circuit::half_open(limits);
    let _hanging = circuit.ticket();
    circuit.pass(secs(3));
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.since, seen.streak), (State::Open, circuit.now, 2));
}

#[test]
fn hung_calls_are_judged_as_soon_as_a_forced_close_is_released() {
    let mut circuit = Circuit::new(Config { consecutive_failures: Some(1), ..plain() });
    hold(&circuit, Mode::ForcedClosed, Time::NEVER);
    let mut hanging = circuit.ticket();
    circuit.pass(secs(5));
    circuit.breaker.overdue(&mut hanging, circuit.now);
    assert_eq!(circuit.state(), State::Closed);
    circuit.breaker.release(circuit.now);
    assert!(circuit.admit().is_err());
}

#[test]
fn a_reading_between_two_calls_does_not_change_what_the_second_brings_about() {
    for read in [false, true] {
        let config = Config { failure_count: None, failure_rate: Some(0.8), minimum_calls: 5, ..plain() };
        let mut circuit = Circuit::new(Config { window: Window::Time(secs(10)), ..config });
        circuit.calls(4, Outcome::Success, Duration::ZERO);
        circuit.pass(secs(5));
        circuit.calls(4, FAILED, Duration::ZERO);
        circuit.pass(secs(5));
        if read {
            assert_eq!(circuit.seen().window.calls, 4);
        }
        circuit.calls(1, Outcome::Success, Duration::ZERO);
        assert_eq!(circuit.state(), State::Open, "4 of 5 failed; read before: {read}");
    }
}
