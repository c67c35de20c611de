//! Circuits that do not refuse everyone: the ramp after a recovery, shadowing, and enforcement for a share of the calls.

use fusebox_core::breaker::{CircuitBreaker, Config, Hold, Mode, Ramp, RunMode, State};
use fusebox_core::event::Event;
use fusebox_core::{Failure, Outcome, Ratio, Reason, Rng, Time};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FAILURE: Outcome = Outcome::Failure(Failure::Error);

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn breaker(config: Config) -> CircuitBreaker {
    CircuitBreaker::new(config.check(None).expect("works"), Rng::seeded(1), Time::ZERO)
}

/// Exact waits, so that 30 s are 30 s.
fn config() -> Config {
    let mut config = Config::default();
    config.wait_in_open.jitter = 0.0;
    config
}

fn calls(breaker: &CircuitBreaker, n: usize, outcome: Outcome, now: Time) {
    for _ in 0..n {
        let ticket = breaker.admit(now).expect("admitted");
        breaker.settle(ticket, outcome, now);
    }
}

/// Trips at once, and closes after 30 s.
fn recovered(config: Config) -> CircuitBreaker {
    let breaker = breaker(config);
    calls(&breaker, 10, FAILURE, at(0));
    calls(&breaker, 3, Outcome::Success, at(30));
    assert_eq!(breaker.state(at(30)), State::Closed);
    breaker
}

fn ramp() -> Config {
    Config { recovery_ramp: Some(Ramp::default()), ..config() }
}

fn admitted(breaker: &CircuitBreaker, of: usize, now: Time) -> usize {
    let tickets: Vec<_> = (0..of).filter_map(|_| breaker.admit(now).ok()).collect();
    let admitted = tickets.len();
    tickets.into_iter().for_each(|ticket| breaker.settle(ticket, Outcome::Success, now));
    admitted
}

#[test]
fn a_ramp_lets_its_share_through_evenly_and_then_everyone() {
    let breaker = recovered(ramp());
    assert!(breaker.admit(at(30)).is_ok(), "the first call goes");
    for _ in 0..9 {
        let refusal = breaker.admit(at(30)).expect_err("nine of ten are refused");
        assert_eq!((refusal.reason, refusal.retry_at), (Reason::Recovering, at(40)));
    }
    let passed: Vec<_> = [30, 32, 35, 38, 40].map(|secs| admitted(&breaker, 1_000, at(secs))).into();
    assert_eq!(passed, [100, 280, 550, 820, 1_000]);
    let totals = breaker.snapshot(at(40)).totals;
    assert_eq!((totals.recovering, totals.rejected), (2_259, 2_259));
}

#[test]
fn a_snapshot_shows_the_share_of_a_ramp_until_it_ends_with_no_call_at_all() {
    let breaker = recovered(ramp());
    let share = |secs| breaker.snapshot(at(secs)).ramp.map(Ratio::ppm);
    assert_eq!([30, 35, 39].map(share), [Some(100_000), Some(550_000), Some(910_000)]);
    assert_eq!(share(40), None);
    assert_eq!(breaker.state(at(39)), State::Closed);
}

#[test]
fn a_circuit_trips_in_its_ramp_as_ever() {
    let breaker = recovered(ramp());
    let mut failed = 0;
    while breaker.state(at(35)) == State::Closed {
        if let Ok(ticket) = breaker.admit(at(35)) {
            breaker.settle(ticket, FAILURE, at(35));
            failed += 1;
        }
    }
    assert_eq!((failed, breaker.snapshot(at(35)).ramp), (10, None));
}

#[test]
fn a_call_that_began_in_a_ramp_counts_after_it() {
    let breaker = recovered(ramp());
    let ticket = breaker.admit(at(39)).expect("admitted");
    breaker.tick(at(40));
    breaker.settle(ticket, Outcome::Success, at(41));
    assert_eq!(breaker.snapshot(at(41)).totals.late, 0);
    assert_eq!(breaker.snapshot(at(41)).window.calls, 1);
}

#[test]
fn settings_without_a_ramp_end_one() {
    let breaker = recovered(ramp());
    breaker.reconfigure(config().check(None).expect("works"), at(31));
    assert_eq!(admitted(&breaker, 100, at(31)), 100);
}

#[test]
fn a_reset_circuit_has_no_ramp() {
    let breaker = breaker(ramp());
    calls(&breaker, 10, FAILURE, at(0));
    breaker.reset(at(1));
    assert_eq!(admitted(&breaker, 100, at(1)), 100);
}

#[test]
fn a_shadowing_circuit_refuses_nothing_and_tells_what_it_would_have_done() {
    let breaker = breaker(Config { mode: RunMode::Shadow, ..config() });
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    breaker.subscribe(Arc::new(move |event: &Event| {
        if let Event::Transition(change) = event {
            ear.lock().expect("no panic").push((change.from, change.to, change.shadow));
        }
    }));
    calls(&breaker, 10, FAILURE, at(0));
    calls(&breaker, 7, FAILURE, at(1));
    let seen = breaker.snapshot(at(1));
    assert_eq!((seen.state, seen.shadow), (State::Closed, Some(State::Open)));
    assert_eq!((seen.totals.would_reject, seen.totals.rejected, seen.totals.late), (7, 0, 7));
    assert_eq!((breaker.state(at(1)), seen.retry_at), (State::Closed, Time::NEVER));
    calls(&breaker, 3, Outcome::Success, at(30));
    assert_eq!(breaker.snapshot(at(30)).shadow, Some(State::Closed), "it probes and closes as it would");
    let closing = [State::Closed, State::Open, State::HalfOpen, State::Closed];
    let expected: Vec<_> = closing.windows(2).map(|change| (change[0], change[1], true)).collect();
    assert_eq!(*told.lock().expect("no panic"), expected);
}

#[test]
fn a_shadowing_circuit_counts_the_calls_a_full_half_open_phase_would_refuse() {
    let breaker = breaker(Config { mode: RunMode::Shadow, ..config() });
    calls(&breaker, 10, FAILURE, at(0));
    let tickets: Vec<_> = (0..5).map(|_| breaker.admit(at(30)).expect("nothing is refused")).collect();
    assert_eq!(tickets.iter().filter(|ticket| ticket.is_probe()).count(), 3);
    assert_eq!(breaker.snapshot(at(30)).totals.would_reject, 2);
    tickets.into_iter().for_each(|ticket| breaker.settle(ticket, FAILURE, at(31)));
    let seen = breaker.snapshot(at(31));
    assert_eq!((seen.shadow, seen.totals.late), (Some(State::Open), 4), "two past it, two after the phase");
}

#[test]
fn an_operator_lets_an_open_circuit_shadow_and_enforces_it_again() {
    let breaker = breaker(config());
    calls(&breaker, 10, FAILURE, at(0));
    let hold = |mode| Hold { mode, actor: "ann".into(), reason: "a drill".into(), expires: at(100) };
    breaker.hold(hold(Mode::Shadow), at(1));
    calls(&breaker, 5, Outcome::Success, at(2));
    assert_eq!(breaker.snapshot(at(2)).shadow, Some(State::Open));
    breaker.release(at(3));
    let refusal = breaker.admit(at(3)).expect_err("the wait goes on");
    assert_eq!((refusal.reason, refusal.retry_at), (Reason::Open, at(30)));
    breaker.hold(hold(Mode::Shadow), at(4));
    assert_eq!(breaker.snapshot(at(30)).shadow, Some(State::HalfOpen), "time goes on under the hold");
    breaker.hold(hold(Mode::ForcedOpen), at(31));
    assert_eq!(breaker.admit(at(31)).expect_err("forced").reason, Reason::ForcedOpen);
}

#[test]
fn a_forced_open_circuit_refuses_though_it_is_configured_to_shadow() {
    let breaker = breaker(Config { mode: RunMode::Shadow, ..config() });
    let (actor, reason) = ("ann".into(), "a drill".into());
    breaker.hold(Hold { mode: Mode::ForcedOpen, actor, reason, expires: at(9) }, at(1));
    assert_eq!(breaker.admit(at(2)).expect_err("forced").reason, Reason::ForcedOpen);
    assert!(breaker.admit(at(9)).is_ok(), "the hold is over");
}

#[test]
fn an_enforced_share_is_the_same_keys_always_and_about_its_size() {
    let settings = |enforcement| Config { enforcement, ..config() }.check(None).expect("works");
    let (tenth, half) = (settings(0.1), settings(0.5));
    let enforced = (1..=10_000).filter(|key| tenth.enforces(*key)).count();
    assert!((900..=1_100).contains(&enforced), "{enforced} of 10,000");
    assert!((1..=10_000).all(|key| half.enforces(key) || !tenth.enforces(key)), "half keeps the tenth");
    assert!((1..=10_000).all(|key| settings(1.0).enforces(key)));
}

#[test]
fn calls_outside_the_share_pass_an_open_circuit_and_count_for_nothing() {
    let config = Config { enforcement: 0.3, ..config() };
    let settings = config.clone().check(None).expect("works");
    let breaker = breaker(config);
    calls(&breaker, 10, FAILURE, at(0));
    for key in 1..=1_000 {
        match breaker.admit_for(key, at(1)) {
            Ok(ticket) => {
                assert!(!settings.enforces(key) && ticket.is_unenforced());
                breaker.settle(ticket, Outcome::Success, at(1));
            }
            Err(refusal) => {
                assert!(settings.enforces(key));
                assert_eq!((refusal.reason, refusal.retry_at), (Reason::Open, at(30)));
            }
        }
    }
    let seen = breaker.snapshot(at(1));
    assert_eq!(
        (seen.state, seen.totals.unenforced, seen.totals.late),
        (State::Open, seen.totals.late, seen.totals.unenforced)
    );
    assert_eq!(seen.totals.unenforced + seen.totals.rejected, 1_000);
    assert_eq!((seen.totals.success, seen.totals.failure), (0, 10));
}

#[test]
fn calls_outside_the_share_are_no_probes() {
    let config = Config { enforcement: 0.5, ..config() };
    let settings = config.clone().check(None).expect("works");
    let breaker = breaker(config);
    calls(&breaker, 10, FAILURE, at(0));
    let outside = (1..).find(|key| !settings.enforces(*key)).expect("half are outside");
    let inside = (1..).find(|key| settings.enforces(*key)).expect("half are inside");
    for _ in 0..100 {
        let ticket = breaker.admit_for(outside, at(30)).expect("let through");
        breaker.settle(ticket, FAILURE, at(30));
    }
    assert_eq!((breaker.state(at(30)), breaker.snapshot(at(30)).probes.in_flight), (State::HalfOpen, 0));
    assert!(breaker.admit_for(inside, at(30)).expect("a probe").is_probe());
}

#[test]
fn calls_without_a_key_are_dealt_out_in_turn() {
    let breaker = breaker(Config { enforcement: 0.25, ..config() });
    calls(&breaker, 10, FAILURE, at(0));
    let refused: Vec<_> = (0..12).map(|_| breaker.admit(at(1)).is_err()).collect();
    assert_eq!(refused, [false, false, false, true].repeat(3));
}

#[test]
fn a_closed_circuit_measures_the_calls_outside_the_share_too() {
    let breaker = breaker(Config { enforcement: 0.01, ..config() });
    for key in 1..=10 {
        let ticket = breaker.admit_for(key, at(0)).expect("closed");
        breaker.settle(ticket, FAILURE, at(0));
    }
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn a_ramp_and_an_enforcement_that_can_not_work_are_refused() {
    let refused = |config: Config| {
        let errors = config.check(None).expect_err("can not work");
        errors.iter().map(|error| error.field).collect::<Vec<_>>()
    };
    let over = Duration::ZERO;
    assert_eq!(
        refused(Config { recovery_ramp: Some(Ramp { from: 1.0, over }), ..config() }),
        ["recovery_ramp.over", "recovery_ramp.from"]
    );
    let ramp = |from| Config { recovery_ramp: Some(Ramp { from, ..Ramp::default() }), ..config() };
    assert_eq!(refused(ramp(0.0)), ["recovery_ramp.from"]);
    assert_eq!(refused(ramp(f64::NAN)), ["recovery_ramp.from"]);
    for enforcement in [0.0, -1.0, 1.1, f64::NAN] {
        assert_eq!(refused(Config { enforcement, ..config() }), ["enforcement"]);
    }
}
