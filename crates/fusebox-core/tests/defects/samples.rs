//! The defects of the classic samples.

use crate::{Circuit, FAILED, one_probe_closes, plain, secs};
use fusebox_core::breaker::{Config, HalfOpen, Preset, Setting, State, Window};
use fusebox_core::{Outcome, Reason, Time};
use std::time::Duration;

#[test]
fn half_open_does_not_wedge_when_it_takes_more_successes_than_probes() {
    let half_open = HalfOpen::Count { success_threshold: 5, probe_failures: 1 };
    let mut circuit = Circuit::half_open(Config { half_open_probes: 2, half_open, ..plain() });
    for settled in 0..5 {
        assert_eq!(circuit.state(), State::HalfOpen, "after {settled} good probes");
        circuit.calls(1, Outcome::Success, Duration::ZERO);
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn late_failures_while_open_do_not_push_the_wait_out() {
    let mut circuit = Circuit::new(plain());
    let late: Vec<_> = (0..10).map(|_| circuit.ticket()).collect();
    circuit.until_open(5, FAILED);
    let retry_at = circuit.seen().retry_at;
    assert_eq!(retry_at, circuit.now + secs(30));
    for ticket in late {
        circuit.pass(secs(2));
        circuit.settle(ticket, FAILED);
        assert_eq!(circuit.seen().retry_at, retry_at);
    }
    assert_eq!(circuit.seen().totals.late, 10);
    circuit.now = retry_at;
    assert_eq!(circuit.state(), State::HalfOpen);
}

#[test]
fn late_successes_do_not_close_a_half_open_circuit() {
    let mut circuit = Circuit::new(plain());
    let late: Vec<_> = (0..10).map(|_| circuit.ticket()).collect();
    circuit.until_open(5, FAILED);
    circuit.pass(secs(30));
    assert_eq!(circuit.state(), State::HalfOpen);
    for ticket in late {
        circuit.settle(ticket, Outcome::Success);
    }
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.probes.good, seen.totals.late), (State::HalfOpen, 0, 10));
}

#[test]
fn a_failure_in_a_thousand_at_high_volume_does_not_trip_and_the_preset_that_would_is_warned_of() {
    let mut circuit = Circuit::new(Config::default());
    for call in 0..60_000 {
        circuit.pass(Duration::from_millis(1));
        let ticket = circuit.ticket();
        circuit.settle(ticket, if call % 1_000 == 999 { FAILED } else { Outcome::Success });
    }
    assert_eq!((circuit.state(), circuit.seen().totals.failure), (State::Closed, 60));
    let seed = Preset::Seed.config().check(None).expect("the preset works");
    assert!(seed.warnings().iter().any(|warning| warning.field == "failure_count"));
}

#[test]
fn a_clock_an_hour_behind_does_not_keep_the_circuit_open_an_hour_more() {
    let mut circuit = Circuit::new(plain());
    circuit.now = Time::from_secs(7_200);
    circuit.until_open(5, FAILED);
    let behind = Time::from_secs(3_600);
    assert_eq!(circuit.breaker.state(behind), State::Open);
    let refusal = circuit.breaker.admit(behind).expect_err("open");
    assert_eq!((refusal.reason, refusal.retry_at), (Reason::Open, Time::from_secs(7_230)));
    assert_eq!(circuit.breaker.state(Time::from_secs(7_230)), State::HalfOpen);
}

#[test]
fn slow_successes_trip() {
    let mut circuit = Circuit::new(Config::default());
    circuit.calls(9, Outcome::Success, secs(5));
    assert_eq!(circuit.state(), State::Closed);
    circuit.calls(1, Outcome::Success, secs(5));
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.seen().totals.success, 10);
}

#[test]
fn slow_failures_are_slow_as_well() {
    let mut circuit = Circuit::new(plain());
    circuit.calls(3, FAILED, secs(5));
    let seen = circuit.seen();
    assert_eq!((seen.window.failures, seen.window.slow), (3, 3));
    assert_eq!((seen.totals.failure, seen.totals.slow), (3, 3));
}

#[test]
fn a_day_without_traffic_does_not_leave_a_stale_open() {
    let mut circuit = Circuit::new(plain());
    circuit.until_open(5, FAILED);
    circuit.pass(secs(86_400));
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.since), (State::HalfOpen, Time::from_secs(30)));
    assert!(circuit.admit().is_ok());
}

#[test]
fn the_first_wait_is_the_base_and_not_twice_the_base() {
    let mut circuit = Circuit::new(plain());
    circuit.until_open(5, FAILED);
    for expected in [30, 60, 120, 240, 300, 300] {
        let wait = circuit.seen().retry_at.since(circuit.now);
        assert_eq!(wait, secs(expected));
        circuit.pass(wait);
        circuit.calls(1, FAILED, Duration::ZERO);
    }
}

#[test]
fn a_callers_own_cancellation_is_no_failure() {
    let mut circuit = Circuit::new(Config { consecutive_failures: Some(5), ..plain() });
    circuit.calls(1_000, Outcome::Cancelled, secs(1));
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.window.calls, seen.consecutive_failures), (State::Closed, 0, 0));
    assert_eq!((seen.totals.cancelled, seen.totals.failure), (1_000, 0));
}

#[test]
fn a_cancellation_past_the_slow_threshold_counts_once_as_slow() {
    let mut circuit = Circuit::new(Config { slow_call_duration: Setting::Is(secs(1)), ..plain() });
    let mut ticket = circuit.ticket();
    circuit.pass(secs(1));
    circuit.breaker.overdue(&mut ticket, circuit.now);
    assert_eq!((circuit.seen().hung, circuit.seen().window.slow), (1, 0));
    circuit.settle(ticket, Outcome::Cancelled);
    let seen = circuit.seen();
    assert_eq!((seen.hung, seen.window.calls, seen.window.slow, seen.totals.slow), (0, 1, 1, 1));
}

#[test]
fn a_call_cannot_slip_through_between_the_trip_and_its_being_seen() {
    let config = Config { window: Window::Time(secs(60)), half_open: one_probe_closes(), ..plain() };
    let mut circuit = Circuit::new(config);
    assert_eq!(circuit.until_open(5, FAILED), 5);
    let refusal = circuit.admit().expect_err("the fifth failure opened it");
    assert_eq!((refusal.reason, refusal.retry_at), (Reason::Open, circuit.now + secs(30)));
    assert_eq!(circuit.seen().totals.rejected, 1);
}
