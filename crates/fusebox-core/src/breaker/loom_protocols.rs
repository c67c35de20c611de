//! The atomic protocols, every interleaving of them up to the preemptions that `LOOM_MAX_PREEMPTIONS` allows.
//!
//! Each test says which break of the protocol it catches. What a single thread does is kept short, and done before the
//! threads start where it can be: every atomic access multiplies what there is to explore.

use super::{
    CircuitBreaker, Config, HalfOpen, Hold, Mode, Setting, Snapshot, State, WaitInOpen, WaitStrategy, Window,
};
use crate::event::Event;
use crate::sync::on_stripe;
use crate::{Failure, Outcome, Reason, Rng, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use loom::thread;

extern crate std;

const FAILED: Outcome = Outcome::Failure(Failure::Error);
const NOW: Time = Time::from_millis(60);
const SLOW: Duration = Duration::from_millis(100);
const WAIT: Duration = Duration::from_millis(1_000);

/// A window of four calls; slow after 100 ms, open for a second, one probe at a time, and no rule.
fn config() -> Config {
    Config {
        window: Window::Calls(4),
        consecutive_failures: None,
        failure_rate: None,
        minimum_calls: 3,
        slow_call_duration: Setting::Is(SLOW),
        slow_call_rate: Some(1.0),
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(WAIT), jitter: 0.0 },
        half_open_probes: 1,
        half_open: HalfOpen::Count { success_threshold: 3, probe_failures: 1 },
        ..Config::default()
    }
}

fn breaker(config: Config) -> Arc<CircuitBreaker> {
    let settings = config.check(None).expect("the settings work");
    Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO))
}

fn after_failures(count: u32) -> Config {
    Config { consecutive_failures: Some(count), ..config() }
}

/// A circuit that failed open at zero.
fn open() -> Arc<CircuitBreaker> {
    let breaker = breaker(after_failures(1));
    call(&breaker, FAILED);
    breaker
}

fn call(breaker: &CircuitBreaker, outcome: Outcome) {
    breaker.settle(breaker.admit(Time::ZERO).expect("closed"), outcome, Time::ZERO);
}

/// Settles a call that has been admitted already, on a thread of its own.
fn settles(breaker: &Arc<CircuitBreaker>, stripe: usize, outcome: Outcome) -> thread::JoinHandle<()> {
    let ticket = breaker.admit(Time::ZERO).expect("closed");
    let breaker = breaker.clone();
    thread::spawn(move || {
        on_stripe(stripe);
        breaker.settle(ticket, outcome, NOW);
    })
}

fn settled(seen: &Snapshot) -> u64 {
    let t = seen.totals;
    t.success + t.failure + t.ignored + t.cancelled + t.late
}

/// Fails when `fence` reads a cell and stores the new tag in two steps: a success between them is lost. Fails when
/// `settle` does not look at the tag it added to: one that is late is counted as in time.
#[test]
fn a_success_that_races_a_trip_is_archived_or_late_and_never_lost_or_counted_twice() {
    loom::model(|| {
        let breaker = breaker(after_failures(1));
        let success = settles(&breaker, 1, Outcome::Success);
        call(&breaker, FAILED);
        let at_the_trip = breaker.snapshot(NOW).totals.success;
        success.join().expect("no panic");
        let seen = breaker.snapshot(NOW);
        assert_eq!((seen.state, seen.totals.failure, settled(&seen)), (State::Open, 1, 2));
        assert!(seen.totals.success >= at_the_trip || seen.totals.late == 1, "{:?}", seen.totals);
    });
}

/// Fails when `evaluate` does not read the counts again after it has asked: a success between the first reading and the
/// question neither is in the count nor sees the flag. Fails when `ask` leaves out a stripe.
#[test]
fn the_success_that_completes_the_evidence_beside_a_failure_trips() {
    loom::model(|| {
        let breaker = breaker(Config { failure_rate: Some(0.3), ..config() });
        let successes = [settles(&breaker, 0, Outcome::Success), settles(&breaker, 1, Outcome::Success)];
        call(&breaker, FAILED);
        successes.into_iter().for_each(|success| success.join().expect("no panic"));
        let seen = breaker.snapshot(NOW);
        assert_eq!((seen.state, seen.totals.success, seen.totals.trips()), (State::Open, 2, 1));
    });
}

/// Fails when the run that trips is one too long.
#[test]
fn failures_that_race_trip_at_the_threshold_exactly_once() {
    loom::model(|| {
        let breaker = breaker(after_failures(3));
        let failures = [settles(&breaker, 0, FAILED), settles(&breaker, 1, FAILED)];
        call(&breaker, FAILED);
        failures.into_iter().for_each(|failure| failure.join().expect("no panic"));
        let seen = breaker.snapshot(NOW);
        assert_eq!((seen.state, seen.totals.trips(), seen.totals.failure), (State::Open, 1, 3));
    });
}

/// Fails when the run that trips is one too short.
#[test]
fn failures_that_race_below_the_threshold_trip_nothing() {
    loom::model(|| {
        let breaker = breaker(after_failures(4));
        let failures = [settles(&breaker, 0, FAILED), settles(&breaker, 1, FAILED)];
        call(&breaker, FAILED);
        failures.into_iter().for_each(|failure| failure.join().expect("no panic"));
        let seen = breaker.snapshot(NOW);
        assert_eq!((seen.state, seen.consecutive_failures), (State::Closed, 3));
    });
}

/// Fails when `publish` comes before `fence`: a call of the new epoch adds to the old one and is taken for a late one.
#[test]
fn a_success_that_races_a_reset_counts_in_the_epoch_that_admitted_it() {
    loom::model(|| {
        let breaker = breaker(after_failures(1));
        let success = {
            let breaker = breaker.clone();
            thread::spawn(move || {
                on_stripe(1);
                let ticket = breaker.admit(NOW).expect("closed all the time");
                let epoch = ticket.epoch();
                breaker.settle(ticket, Outcome::Success, NOW);
                epoch
            })
        };
        breaker.reset(NOW);
        let epoch = success.join().expect("no panic");
        let seen = breaker.snapshot(NOW);
        assert_eq!((seen.epoch, settled(&seen)), (1, 1));
        assert!(epoch == 0 || seen.totals.success == 1, "of the new epoch, and not late");
        let kept = u64::from(epoch == 1);
        assert_eq!(seen.window.calls, kept, "an old epoch's success is not evidence of the new one");
    });
}

/// Fails when a success that lands in the hold's epoch is not taken off what that epoch archives: it counts twice.
#[test]
fn a_success_that_races_a_hold_settles_once_and_the_hold_holds() {
    loom::model(|| {
        let breaker = breaker(after_failures(1));
        let success = settles(&breaker, 1, Outcome::Success);
        let (actor, reason) = ("ops".into(), "drill".into());
        breaker.hold(Hold { mode: Mode::ForcedOpen, actor, reason, expires: Time::NEVER }, NOW);
        let refused = breaker.admit(NOW).expect_err("held open");
        assert_eq!(refused.reason, Reason::ForcedOpen);
        success.join().expect("no panic");
        assert_eq!(settled(&breaker.snapshot(NOW)), 1);
        breaker.release(NOW);
        assert_eq!(settled(&breaker.snapshot(NOW)), 1);
    });
}

/// Fails when `state` is stored before `due`, or with Relaxed: the rejection tells another state's way out.
#[test]
fn whoever_sees_the_trip_sees_when_it_ends() {
    loom::model(|| {
        let breaker = breaker(after_failures(1));
        let caller = {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.admit(NOW).map(drop))
        };
        call(&breaker, FAILED);
        if let Err(rejection) = caller.join().expect("no panic") {
            assert_eq!((rejection.reason, rejection.retry_at), (Reason::Open, Time::ZERO + WAIT));
        }
    });
}

/// Fails when a rejection trusts the `due` it reads beside a state word that is changing: the end of the wait goes to
/// "never" a moment before the state goes to half-open.
#[test]
fn a_rejection_at_the_end_of_the_wait_tells_the_probes_lease_and_not_never() {
    loom::model(|| {
        let (breaker, now) = (open(), Time::ZERO + WAIT);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let breaker = breaker.clone();
                thread::spawn(move || breaker.admit(now))
            })
            .collect();
        let asked: Vec<_> = callers.into_iter().map(|caller| caller.join().expect("no panic")).collect();
        assert_eq!(asked.iter().flatten().count(), 1, "one probe at a time");
        let refused = asked.iter().find_map(|asked| asked.as_ref().err()).expect("the other");
        let lease = breaker.settings().probe_lease();
        assert_eq!((refused.reason, refused.retry_at), (Reason::HalfOpenFull, now + lease));
    });
}

/// Fails when `enter` reads `watch` before it has stored its slot, and when `look` reads the slots before it has
/// raised `watch`.
#[test]
fn no_watched_call_is_left_behind_a_watch_that_is_too_late() {
    loom::model(|| {
        let breaker = breaker(config());
        let first = breaker.admit_watched(Time::ZERO).expect("closed");
        let second = {
            let breaker = breaker.clone();
            thread::spawn(move || {
                on_stripe(1);
                breaker.admit_watched(NOW).expect("closed")
            })
        };
        breaker.tick(Time::ZERO + SLOW);
        let second = second.join().expect("no panic");
        assert_eq!(breaker.snapshot(NOW + SLOW).hung, 2);
        breaker.settle_watched(first, Outcome::Success, NOW + SLOW);
        breaker.settle_watched(second, Outcome::Success, NOW + SLOW);
        assert_eq!(breaker.snapshot(NOW + SLOW).hung, 0);
    });
}

/// Fails when `look` flags a slot with a store, or `leave` empties it with one: a call that ends meanwhile is counted as
/// hung for ever.
#[test]
fn a_watched_call_that_ends_while_it_is_looked_at_does_not_hang_on() {
    loom::model(|| {
        let breaker = breaker(config());
        let (watched, end) = (breaker.admit_watched(Time::ZERO).expect("closed"), Time::ZERO + SLOW);
        let ended = {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.settle_watched(watched, Outcome::Success, end))
        };
        breaker.tick(end);
        ended.join().expect("no panic");
        let seen = breaker.snapshot(end);
        assert_eq!((seen.hung, seen.totals.success, seen.totals.slow), (0, 1, 1));
    });
}

/// Fails when a probe is admitted without a look at the slots under the lock, and when a settled probe's slot is not
/// shown to the front.
#[test]
fn probes_that_race_keep_to_their_slots_and_give_them_back() {
    loom::model(|| {
        let (breaker, now) = (open(), Time::ZERO + WAIT);
        let in_flight = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (breaker, in_flight) = (breaker.clone(), in_flight.clone());
                thread::spawn(move || {
                    let Ok(ticket) = breaker.admit(now) else { return };
                    assert!(ticket.is_probe());
                    assert_eq!(in_flight.fetch_add(1, std::sync::atomic::Ordering::Relaxed), 0);
                    thread::yield_now();
                    in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    breaker.settle(ticket, Outcome::Cancelled, now);
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        assert_eq!(breaker.snapshot(now).probes.in_flight, 0);
        assert!(breaker.admit(now).is_ok(), "the slot has come back");
    });
}

/// Fails when the deliverer looks only once: an event that is queued while it lets go of its turn is left behind. Fails
/// when events are taken from the queue without the turn: they arrive out of order.
#[test]
fn two_causers_events_are_delivered_once_and_in_order_and_none_is_left_behind() {
    loom::model(|| {
        let breaker = breaker(after_failures(1));
        let heard = Arc::new(loom::sync::Mutex::new(Vec::new()));
        let ear = heard.clone();
        breaker.subscribe(Arc::new(move |event: &Event| {
            if let Event::Transition(change) = event {
                ear.lock().expect("never poisoned").push(change.epoch);
            }
        }));
        let ticket = breaker.admit(Time::ZERO).expect("closed");
        let failure = settles(&breaker, 1, FAILED);
        breaker.settle(ticket, FAILED, NOW);
        breaker.reset(NOW);
        failure.join().expect("no panic");
        // Before anything else: every look at the machine delivers what it finds.
        let heard = heard.lock().expect("never poisoned").clone();
        let changes = breaker.snapshot(NOW).totals.changes.iter().flatten().sum::<u64>();
        assert_eq!(heard.len() as u64, changes, "{heard:?}");
        assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
    });
}
