//! The defects of other breakers, each reproduced against them once.

use crate::{Circuit, FAILED, one_probe_closes, plain, secs};
use fusebox_core::breaker::{CircuitBreaker, Config, Hold, Mode, Setting, State, WaitInOpen, Window};
use fusebox_core::event::Event;
use fusebox_core::{Outcome, Reason, Rng, Time};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

const NO_TIME: Duration = Duration::ZERO;

fn held_open(circuit: &Circuit, lasting: Duration) {
    let (actor, reason, expires) = ("ops".into(), "drill".into(), circuit.now + lasting);
    circuit.breaker.hold(Hold { mode: Mode::ForcedOpen, actor, reason, expires }, circuit.now);
}

#[test]
fn a_cancelled_probe_neither_closes_nor_reopens_nor_wedges() {
    let config = Config { half_open_probes: 1, half_open: one_probe_closes(), ..plain() };
    let mut circuit = Circuit::half_open(config);
    for _ in 0..100 {
        circuit.calls(1, Outcome::Cancelled, NO_TIME);
        let seen = circuit.seen();
        assert_eq!(seen.state, State::HalfOpen);
        assert_eq!((seen.probes.in_flight, seen.probes.good, seen.probes.bad), (0, 0, 0));
    }
    circuit.calls(1, Outcome::Success, NO_TIME);
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn half_open_admits_its_probes_and_nobody_else() {
    let circuit = Circuit::half_open(plain());
    let admitted: Vec<_> = (0..1_000).filter_map(|_| circuit.admit().ok()).collect();
    assert_eq!(admitted.len(), 3);
    let refusal = circuit.admit().expect_err("all probes are in flight");
    assert_eq!((refusal.reason, refusal.retry_at), (Reason::HalfOpenFull, circuit.now + secs(30)));
}

#[test]
fn a_probe_that_hangs_or_is_forgotten_fails_when_its_lease_ends() {
    let mut circuit = Circuit::half_open(Config { probe_lease: Setting::Is(secs(7)), ..plain() });
    let forgotten = circuit.ticket();
    let reopens = circuit.now + secs(7);
    circuit.pass(secs(1_000));
    circuit.settle(forgotten, Outcome::Success);
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.since), (State::HalfOpen, reopens + secs(60)));
    assert_eq!((seen.totals.changes(State::HalfOpen, State::Open), seen.totals.late), (1, 1));
}

#[test]
fn calls_that_all_hang_are_seen_and_open_the_circuit() {
    let mut circuit = Circuit::new(Config::default());
    let mut hanging: Vec<_> = (0..10).map(|_| circuit.ticket()).collect();
    circuit.pass(secs(5));
    for ticket in &mut hanging {
        assert_eq!(circuit.state(), State::Closed);
        circuit.breaker.overdue(ticket, circuit.now);
    }
    assert_eq!(circuit.state(), State::Open);
    let trip = circuit.breaker.last_trip().expect("it tripped");
    assert!(trip.to_string().contains("10 of them hung"), "{trip}");
}

#[test]
fn rejections_are_no_evidence_against_the_dependency() {
    let mut circuit = Circuit::new(plain());
    circuit.until_open(5, FAILED);
    let retry_at = circuit.seen().retry_at;
    for _ in 0..1_000 {
        assert!(circuit.admit().is_err());
    }
    let seen = circuit.seen();
    assert_eq!((seen.totals.failure, seen.totals.rejected, seen.retry_at), (5, 1_000, retry_at));
}

#[test]
fn two_circuits_of_one_root_seed_do_not_probe_in_step() {
    let mut root = Rng::seeded(3);
    let config = Config { wait_in_open: WaitInOpen { jitter: 0.1, ..plain().wait_in_open }, ..plain() };
    let waits: Vec<Time> = (0..2)
        .map(|_| {
            let mut circuit = Circuit::drawing(config.clone(), root.fork());
            circuit.until_open(5, FAILED);
            circuit.seen().retry_at
        })
        .collect();
    assert_ne!(waits[0], waits[1]);
    for wait in waits {
        assert!((Time::from_secs(27)..=Time::from_secs(33)).contains(&wait), "{wait}");
    }
}

#[test]
fn jitter_is_drawn_once_a_wait_and_not_once_a_call() {
    let config = Config { wait_in_open: WaitInOpen { jitter: 0.9, ..plain().wait_in_open }, ..plain() };
    let mut circuit = Circuit::new(config);
    circuit.until_open(5, FAILED);
    let retry_at = circuit.seen().retry_at;
    while circuit.now < retry_at.minus_nanos(10_000_000) {
        assert_eq!(circuit.admit().expect_err("open").retry_at, retry_at);
        circuit.pass(Duration::from_millis(10));
    }
}

#[test]
fn new_settings_lose_neither_the_window_nor_the_open_time() {
    let settings = |config: Config| config.check(None).expect("the settings work");
    let mut circuit = Circuit::new(plain());
    circuit.calls(4, FAILED, NO_TIME);
    circuit.breaker.reconfigure(settings(Config { half_open_probes: 2, ..plain() }), circuit.now);
    assert_eq!(circuit.seen().window.failures, 4);
    assert_eq!(circuit.until_open(5, FAILED), 1);
    let retry_at = circuit.seen().retry_at;
    circuit.pass(secs(1));
    circuit.breaker.reconfigure(settings(Config { half_open_probes: 1, ..plain() }), circuit.now);
    assert_eq!((circuit.state(), circuit.seen().retry_at), (State::Open, retry_at));
}

#[test]
fn anybody_can_tell_why_it_opened() {
    let config =
        Config { failure_count: None, failure_rate: Some(0.5), window: Window::Time(secs(60)), ..plain() };
    let mut circuit = Circuit::new(config);
    circuit.calls(4, Outcome::Success, NO_TIME);
    circuit.calls(6, FAILED, NO_TIME);
    let told = circuit.breaker.last_trip().expect("it tripped").to_string();
    let expected = "failure_rate 0.60 ≥ 0.50 over 10 calls in 60s (last: error ×4)";
    assert_eq!(told, expected);
}

#[test]
fn a_count_window_is_the_last_calls_and_not_the_whole_life() {
    let rate = Config { failure_count: None, failure_rate: Some(0.5), minimum_calls: 100, ..plain() };
    for successes in [100, 1_000, 10_000] {
        let mut circuit = Circuit::new(rate.clone());
        circuit.calls(successes, Outcome::Success, NO_TIME);
        assert_eq!(circuit.until_open(101, FAILED), 50, "after {successes} successes");
    }
}

#[test]
fn the_call_that_fills_a_count_window_is_judged() {
    let config =
        Config { window: Window::Calls(10), failure_count: None, failure_rate: Some(1.0), ..plain() };
    assert_eq!(Circuit::new(config).until_open(20, FAILED), 10);
}

#[test]
fn a_time_window_forgets_what_is_older_than_itself() {
    let window = Window::Time(secs(10));
    let mut circuit =
        Circuit::new(Config { window, failure_count: None, failure_rate: Some(0.5), ..plain() });
    circuit.calls(10_000, Outcome::Success, NO_TIME);
    circuit.pass(secs(10));
    assert_eq!(circuit.seen().window.calls, 0);
    assert_eq!(circuit.until_open(20, FAILED), 10);
}

#[test]
fn a_window_of_less_than_a_second_is_not_cut_to_nothing() {
    let window = Window::Time(Duration::from_millis(900));
    let mut circuit =
        Circuit::new(Config { window, failure_count: None, failure_rate: Some(0.5), ..plain() });
    circuit.calls(1_000, Outcome::Success, NO_TIME);
    circuit.pass(Duration::from_millis(500));
    circuit.calls(10, FAILED, NO_TIME);
    let seen = circuit.seen();
    assert_eq!((seen.state, seen.window.calls), (State::Closed, 1_010));
}

#[test]
fn a_window_of_many_calls_remembers_all_of_them() {
    let window = Window::Time(secs(60));
    let mut circuit =
        Circuit::new(Config { window, failure_count: None, failure_rate: Some(0.05), ..plain() });
    circuit.calls(200_000, Outcome::Success, NO_TIME);
    circuit.calls(48, FAILED, NO_TIME);
    assert_eq!((circuit.state(), circuit.seen().window.calls), (State::Closed, 200_048));
}

#[test]
fn a_circuit_that_only_ever_saw_failures_is_not_blind() {
    assert_eq!(Circuit::new(Config::default()).until_open(100, FAILED), 10);
}

#[test]
fn good_probes_far_apart_close_all_the_same() {
    let window = Window::Time(secs(10));
    let mut circuit = Circuit::half_open(Config { window, ..plain() });
    for _ in 0..3 {
        assert_eq!(circuit.state(), State::HalfOpen);
        circuit.calls(1, Outcome::Success, NO_TIME);
        circuit.pass(secs(60));
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_probe_as_slow_as_the_calls_that_tripped_does_not_close() {
    let mut circuit = Circuit::new(Config { half_open: one_probe_closes(), ..Config::default() });
    circuit.calls(10, Outcome::Success, secs(5));
    circuit.now = circuit.seen().retry_at;
    circuit.calls(1, Outcome::Success, secs(5));
    assert_eq!((circuit.state(), circuit.seen().streak), (State::Open, 2));
}

#[test]
fn a_failing_probe_reopens_even_when_the_failures_that_tripped_are_long_gone() {
    let mut circuit = Circuit::half_open(Config { window: Window::Time(secs(10)), ..plain() });
    circuit.pass(secs(3_600));
    circuit.calls(1, FAILED, NO_TIME);
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn a_circuit_that_closed_has_forgotten_the_failures_before() {
    let mut circuit = Circuit::half_open(Config { half_open: one_probe_closes(), ..plain() });
    circuit.calls(1, Outcome::Success, NO_TIME);
    assert_eq!(circuit.seen().window.calls, 0);
    assert_eq!(circuit.until_open(10, FAILED), 5);
}

#[test]
fn waits_grow_while_it_flaps_and_start_anew_after_a_lasting_recovery() {
    let mut circuit = Circuit::new(Config { half_open: one_probe_closes(), ..plain() });
    let mut wait_after_healthy = |healthy| {
        circuit.pass(healthy);
        circuit.until_open(5, FAILED);
        let wait = circuit.seen().retry_at.since(circuit.now);
        circuit.pass(wait);
        circuit.calls(1, Outcome::Success, NO_TIME);
        wait
    };
    assert_eq!([secs(0), secs(59), secs(119)].map(&mut wait_after_healthy), [secs(30), secs(60), secs(120)]);
    assert_eq!(wait_after_healthy(secs(240)), secs(30));
}

#[test]
fn forced_open_rejects_and_outlasts_the_wait() {
    let mut circuit = Circuit::new(plain());
    held_open(&circuit, secs(900));
    let expires = circuit.now + secs(900);
    for _ in 0..29 {
        circuit.pass(secs(31));
        if circuit.now < expires {
            let refusal = circuit.admit().expect_err("held open");
            assert_eq!((refusal.reason, refusal.retry_at), (Reason::ForcedOpen, expires));
        }
    }
    circuit.now = expires;
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_listener_may_ask_the_circuit_it_listens_to() {
    let settings = plain().check(None).expect("the settings work");
    let breaker = Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO));
    let (heard, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(OnceLock::new()));
    asked.set(Arc::downgrade(&breaker)).expect("set once");
    let ear = Arc::clone(&heard);
    breaker.subscribe(Arc::new(move |event: &Event| {
        if let (Event::Transition(change), Some(breaker)) =
            (event, asked.get().and_then(|weak| weak.upgrade()))
        {
            let seen = breaker.snapshot(change.at).state;
            ear.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }));
    for _ in 0..5 {
        breaker.settle(breaker.admit(Time::ZERO).expect("closed"), FAILED, Time::ZERO);
    }
    breaker.reset(Time::ZERO);
    assert_eq!(*heard.lock().expect("no listener panicked"), [State::Open, State::Closed]);
}

#[test]
fn a_listener_that_panics_hurts_nobody() {
    let mut circuit = Circuit::new(plain());
    let heard = Arc::new(Mutex::new(0));
    let ear = Arc::clone(&heard);
    circuit.breaker.subscribe(Arc::new(|_: &Event| panic!("a listener's own fault")));
    circuit.breaker.subscribe(Arc::new(move |_: &Event| *ear.lock().expect("nobody panics under it") += 1));
    assert_eq!(circuit.until_open(5, FAILED), 5);
    assert_eq!(*heard.lock().expect("nobody panics under it"), 1);
}

#[test]
fn a_timer_is_asked_for_the_moment_and_never_for_now() {
    let mut circuit = Circuit::new(plain());
    assert_eq!(circuit.breaker.next_due(), Time::NEVER);
    circuit.until_open(5, FAILED);
    assert_eq!(circuit.breaker.next_due(), circuit.now + secs(30));
    circuit.now = circuit.breaker.next_due();
    circuit.breaker.tick(circuit.now);
    assert_eq!((circuit.state(), circuit.breaker.next_due()), (State::HalfOpen, Time::NEVER));
}
