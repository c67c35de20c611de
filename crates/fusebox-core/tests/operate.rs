//! What operators and restarts do to a circuit: reconfiguration, holds, save and restore.

use fusebox_core::breaker::{
    Cause, CircuitBreaker, Config, Hold, Mode, Saved, State, WaitInOpen, WaitStrategy, Window, WindowCounts,
};
use fusebox_core::event::Event;
use fusebox_core::{Failure, Outcome, Reason, Rng, Time};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn config() -> Config {
    let (base, max) = (30 * SECOND, 300 * SECOND);
    let strategy = WaitStrategy::Exponential { base, multiplier: 2.0, max };
    Config { wait_in_open: WaitInOpen { strategy, jitter: 0.0 }, ..Config::default() }
}

fn breaker(config: Config) -> (CircuitBreaker, Arc<Mutex<Vec<Event>>>) {
    let breaker = CircuitBreaker::new(config.check(None).expect("works"), Rng::seeded(1), Time::ZERO);
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = events.clone();
    breaker.subscribe(Arc::new(move |event| log.lock().expect("no panic").push(event.clone())));
    (breaker, events)
}

fn settle(breaker: &CircuitBreaker, outcome: Outcome, now: Time) {
    let ticket = breaker.admit(now).expect("admitted");
    breaker.settle(ticket, outcome, now);
}

fn fail(breaker: &CircuitBreaker, times: usize, now: Time) {
    (0..times).for_each(|_| settle(breaker, Outcome::Failure(Failure::Error), now));
}

fn succeed(breaker: &CircuitBreaker, times: usize, now: Time) {
    (0..times).for_each(|_| settle(breaker, Outcome::Success, now));
}

fn reconfigure(breaker: &CircuitBreaker, config: Config, now: Time) {
    breaker.reconfigure(config.check(None).expect("works"), now);
}

fn counts(breaker: &CircuitBreaker, now: Time) -> WindowCounts {
    breaker.snapshot(now).window
}

fn hold(mode: Mode, expires: Time) -> Hold {
    Hold { mode, actor: "ann".into(), reason: "maintenance".into(), expires }
}

#[test]
fn a_new_threshold_meets_the_evidence_that_is_there() {
    let (breaker, events) = breaker(Config { minimum_calls: 20, ..config() });
    succeed(&breaker, 6, at(1));
    fail(&breaker, 6, at(2));
    reconfigure(&breaker, Config { minimum_calls: 10, ..config() }, at(3));
    assert_eq!(counts(&breaker, at(3)), WindowCounts { calls: 12, failures: 6, slow: 0 });
    assert_eq!(breaker.state(at(3)), State::Closed, "nothing has completed since");
    settle(&breaker, Outcome::Failure(Failure::Error), at(3));
    assert_eq!(breaker.state(at(3)), State::Open);
    let events = events.lock().expect("no panic");
    let Event::Reconfigured { old, new, window_kept: true, .. } = &events[0] else {
        panic!("an audit event with old and new: {events:?}");
    };
    assert_eq!((old.config().minimum_calls, new.config().minimum_calls), (20, 10));
}

#[test]
fn a_success_alone_completes_the_evidence_that_a_lower_minimum_asks_for() {
    let (breaker, _) = breaker(Config { minimum_calls: 20, ..config() });
    fail(&breaker, 6, at(1));
    succeed(&breaker, 5, at(1));
    reconfigure(&breaker, Config { minimum_calls: 12, ..config() }, at(2));
    succeed(&breaker, 1, at(2));
    assert_eq!(breaker.state(at(2)), State::Open, "six of twelve");
}

#[test]
fn a_lower_threshold_meets_the_calls_that_hang() {
    let calls =
        |failures| Config { window: Window::Calls(100), consecutive_failures: Some(failures), ..config() };
    let (breaker, _) = breaker(calls(10));
    let mut hanging = breaker.admit(at(0)).expect("closed");
    breaker.overdue(&mut hanging, at(5));
    reconfigure(&breaker, calls(1), at(6));
    assert!(breaker.admit(at(6)).is_err(), "nothing will complete, so the next look judges");
}

#[test]
fn a_time_window_is_put_into_the_new_buckets() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 2, at(1));
    succeed(&breaker, 3, at(17));
    fail(&breaker, 1, at(30));
    reconfigure(&breaker, Config { window: Window::Time(10 * SECOND), ..config() }, at(31));
    assert_eq!(counts(&breaker, at(31)), WindowCounts { calls: 1, failures: 1, slow: 0 });
    reconfigure(&breaker, Config { window: Window::Time(600 * SECOND), ..config() }, at(32));
    assert_eq!(counts(&breaker, at(500)), WindowCounts { calls: 1, failures: 1, slow: 0 });
}

#[test]
fn between_kinds_and_to_a_longer_count_the_window_starts_empty_and_says_so() {
    let calls = |n| Config { window: Window::Calls(n), ..config() };
    let (breaker, events) = breaker(calls(100));
    fail(&breaker, 4, at(1));
    reconfigure(&breaker, calls(50), at(2));
    assert_eq!(counts(&breaker, at(2)).failures, 4, "a shorter count keeps the newest");
    reconfigure(&breaker, calls(51), at(2));
    assert_eq!(counts(&breaker, at(2)), WindowCounts::default());
    fail(&breaker, 1, at(3));
    reconfigure(&breaker, config(), at(3));
    assert_eq!(counts(&breaker, at(3)), WindowCounts::default());
    let events = events.lock().expect("no panic");
    let kept = |event: &Event| matches!(event, Event::Reconfigured { window_kept: true, .. });
    assert_eq!(events.iter().map(kept).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(breaker.snapshot(at(3)).totals.failure, 5, "counters never step back");
}

#[test]
fn an_open_circuit_keeps_its_open_time_across_a_reload() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(5));
    reconfigure(&breaker, Config { minimum_calls: 99, ..config() }, at(20));
    let rejection = breaker.admit(at(20)).expect_err("still open");
    assert_eq!((rejection.reason, rejection.retry_at), (Reason::Open, at(35)));
}

#[test]
fn probes_in_flight_survive_a_reload() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(0));
    let probe = breaker.admit(at(30)).expect("a probe");
    reconfigure(&breaker, Config { half_open_probes: 1, ..config() }, at(31));
    assert_eq!(breaker.admit(at(31)).expect_err("full now").reason, Reason::HalfOpenFull);
    breaker.settle(probe, Outcome::Success, at(31));
    assert_eq!(breaker.snapshot(at(31)).probes.good, 1);
    assert!(breaker.admit(at(31)).is_ok());
}

#[test]
fn in_flight_calls_are_not_made_late_by_a_reload() {
    let (breaker, _) = breaker(config());
    let before = breaker.admit(at(1)).expect("closed");
    reconfigure(&breaker, Config { window: Window::Calls(10), ..config() }, at(2));
    breaker.settle(before, Outcome::Success, at(2));
    let totals = breaker.snapshot(at(2)).totals;
    assert_eq!((totals.success, totals.late), (1, 0));
}

#[test]
fn forced_open_rejects_until_it_expires_and_then_goes_on_where_it_was() {
    let (breaker, events) = breaker(config());
    breaker.hold(hold(Mode::ForcedOpen, at(100)), at(10));
    let rejection = breaker.admit(at(50)).expect_err("held open");
    assert_eq!((rejection.reason, rejection.retry_at), (Reason::ForcedOpen, at(100)));
    assert_eq!(breaker.state(at(99)), State::Open, "what callers experience");
    let shown = breaker.snapshot(at(99)).hold.expect("always visible");
    assert_eq!((shown.actor.as_str(), shown.reason.as_str(), shown.expires), ("ann", "maintenance", at(100)));
    assert_eq!(breaker.state(at(100)), State::Closed);
    let events = events.lock().expect("no panic");
    assert!(matches!(&events[0], Event::Held(hold) if hold.mode == Mode::ForcedOpen));
    assert!(
        matches!(&events[1], Event::Transition(t) if t.cause == Cause::Operator && t.retry_at == at(100))
    );
    assert!(matches!(&events[2], Event::Released(_)));
    assert!(matches!(&events[3], Event::Transition(t) if t.cause == Cause::OverrideEnded && t.at == at(100)));
}

#[test]
fn a_circuit_that_was_open_before_a_hold_keeps_its_original_wait() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(0));
    breaker.hold(hold(Mode::ForcedOpen, at(20)), at(10));
    let rejection = breaker.admit(at(21)).expect_err("open on its own again");
    assert_eq!((rejection.reason, rejection.retry_at), (Reason::Open, at(30)));
}

#[test]
fn forced_closed_admits_all_and_still_measures() {
    let (breaker, _) = breaker(config());
    breaker.hold(hold(Mode::ForcedClosed, at(100)), at(0));
    fail(&breaker, 50, at(10));
    assert_eq!((breaker.state(at(10)), counts(&breaker, at(10)).failures), (State::Closed, 50));
    breaker.release(at(11));
    succeed(&breaker, 1, at(11));
    assert_eq!(breaker.state(at(11)), State::Open, "the evidence is judged with the next completion");
}

#[test]
fn disabled_admits_all_and_measures_nothing() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(0));
    breaker.hold(hold(Mode::Disabled, at(100)), at(1));
    fail(&breaker, 50, at(2));
    let snapshot = breaker.snapshot(at(3));
    assert_eq!((snapshot.state, snapshot.totals.failure, snapshot.window.calls), (State::Closed, 10, 0));
}

#[test]
fn reset_closes_and_forgets_the_streak() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(0));
    let probe = breaker.admit(at(30)).expect("a probe");
    breaker.settle(probe, Outcome::Failure(Failure::Error), at(30));
    assert_eq!(breaker.snapshot(at(31)).streak, 2);
    breaker.reset(at(31));
    fail(&breaker, 10, at(32));
    assert_eq!(breaker.admit(at(32)).expect_err("open").retry_at, at(62), "the base wait again");
}

#[test]
fn an_adaptive_wait_is_learnt_from_the_recoveries_of_this_circuit() {
    let strategy = WaitStrategy::Adaptive { percentile: 0.5, base: 5 * SECOND, max: 300 * SECOND };
    let wait_in_open = WaitInOpen { strategy, jitter: 0.0 };
    let (breaker, _) = breaker(Config { wait_in_open, ..config() });
    let outage = |began: u64, lasts: u64| {
        fail(&breaker, 10, at(began));
        let mut waits = Vec::new();
        loop {
            let snapshot = breaker.snapshot(at(began + waits.iter().sum::<u64>()));
            waits.push(snapshot.retry_at.since(snapshot.since).as_secs());
            let now = snapshot.retry_at;
            if now >= at(began + lasts) {
                succeed(&breaker, 3, now);
                return waits;
            }
            fail(&breaker, 1, now);
        }
    };
    for began in [1_000, 2_000, 3_000] {
        assert_eq!(outage(began, 70), [5, 10, 20, 40], "too little is known");
    }
    assert_eq!(outage(4_000, 70), [55, 13, 13], "the three before took 35 to 75 s; close probes tell more");
}

#[test]
fn a_streak_is_neither_shown_nor_saved_once_a_recovery_has_lasted() {
    let (breaker, _) = breaker(config());
    fail(&breaker, 10, at(0));
    succeed(&breaker, 3, at(30));
    assert_eq!((breaker.snapshot(at(89)).streak, breaker.save(at(89)).streak), (1, 1));
    assert_eq!(breaker.save(at(90)).streak, 0, "closed for twice the last wait");
    assert_eq!(breaker.snapshot(at(90)).streak, 0);
    breaker.hold(hold(Mode::Disabled, at(100)), at(91));
    fail(&breaker, 10, at(101));
    assert_eq!(breaker.admit(at(101)).expect_err("open").retry_at, at(131), "the base wait again");
}

#[test]
fn a_restored_circuit_is_open_for_what_is_left_of_its_wait() {
    let (first, _) = breaker(config());
    fail(&first, 10, at(0));
    let saved = first.save(at(10));
    let expected =
        Saved { state: State::Open, left_nanos: 20_000_000_000, streak: 1, last_wait_nanos: 30_000_000_000 };
    assert_eq!(saved, expected);

    let (second, events) = breaker(config());
    assert!(second.restore(saved, 5 * SECOND, 60 * SECOND, at(100)));
    assert_eq!(second.admit(at(100)).expect_err("open").retry_at, at(115));
    let probe = second.admit(at(115)).expect("a probe");
    second.settle(probe, Outcome::Failure(Failure::Error), at(115));
    assert_eq!(second.admit(at(115)).expect_err("open").retry_at, at(175), "the streak goes on");
    let events = events.lock().expect("no panic");
    assert!(matches!(&events[0], Event::Transition(t) if t.cause == Cause::Restored));
}

#[test]
fn what_is_too_old_is_not_restored() {
    let (first, _) = breaker(config());
    fail(&first, 10, at(0));
    let (second, _) = breaker(config());
    assert!(!second.restore(first.save(at(1)), 61 * SECOND, 60 * SECOND, at(0)));
    assert_eq!(second.state(at(0)), State::Closed);
}

#[test]
fn a_wait_that_ended_while_the_process_was_down_is_probed_at_once() {
    let (first, _) = breaker(config());
    fail(&first, 10, at(0));
    let (second, _) = breaker(config());
    assert!(second.restore(first.save(at(1)), 40 * SECOND, 60 * SECOND, at(0)));
    assert_eq!(second.state(at(0)), State::HalfOpen);
}

#[test]
fn a_circuit_that_an_operator_holds_is_not_restored() {
    let (first, _) = breaker(config());
    fail(&first, 10, at(0));
    for mode in [Mode::ForcedClosed, Mode::Disabled, Mode::ForcedOpen] {
        let (second, _) = breaker(config());
        second.hold(hold(mode, at(100)), at(0));
        assert!(!second.restore(first.save(at(1)), SECOND, 60 * SECOND, at(1)));
        assert_eq!(second.state(at(1)), mode.state(), "{mode:?}");
    }
}

#[test]
fn holds_are_not_saved() {
    let (breaker, _) = breaker(config());
    breaker.hold(hold(Mode::ForcedOpen, at(100)), at(0));
    assert_eq!(breaker.save(at(1)).state, State::Closed);
}

#[test]
fn a_listener_that_falls_behind_loses_the_oldest_changes_and_the_totals_lose_none() {
    let settings = config().check(None).expect("works");
    let breaker = Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO));
    let (heard, inside) = (Arc::new(Mutex::new(Vec::new())), Arc::downgrade(&breaker));
    let log = heard.clone();
    breaker.subscribe(Arc::new(move |event| {
        let Event::Transition(change) = event else { return };
        log.lock().expect("no panic").push(change.epoch);
        if let (1, Some(breaker)) = (change.epoch, inside.upgrade()) {
            for _ in 0..20 {
                breaker.reset(at(1));
                fail(&breaker, 10, at(1));
            }
        }
    }));
    fail(&breaker, 10, at(1));
    let expected: Vec<u64> = (1..=1).chain(10..=41).collect();
    assert_eq!(*heard.lock().expect("no panic"), expected, "of 41 the first, and the last 32");
    assert_eq!(breaker.snapshot(at(1)).totals.changes.iter().flatten().sum::<u64>(), 41);
}

#[test]
fn who_subscribes_while_an_event_is_told_hears_the_next() {
    let settings = config().check(None).expect("works");
    let breaker = Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO));
    let (heard, inside) = (Arc::new(Mutex::new(Vec::new())), Arc::downgrade(&breaker));
    let log = heard.clone();
    breaker.subscribe(Arc::new(move |event| {
        let (Event::Transition(change), Some(breaker)) = (event, inside.upgrade()) else { return };
        if change.to == State::Open {
            let log = log.clone();
            breaker.subscribe(Arc::new(move |event| {
                if let Event::Transition(change) = event {
                    log.lock().expect("no panic").push(change.to);
                }
            }));
            breaker.reset(at(1));
        }
    }));
    fail(&breaker, 10, at(1));
    assert_eq!(*heard.lock().expect("no panic"), [State::Closed]);
}
