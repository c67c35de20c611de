//! The breaker under many threads at once: exactly one trip, never one too many, and books that balance.
//!
//! `FUSEBOX_LONG=1` runs ten thousand rounds of each race.

use fusebox_core::breaker::{
    CircuitBreaker, Config, HalfOpen, Hold, Mode, Setting, State, Ticket, WaitInOpen, WaitStrategy, Window,
};
use fusebox_core::event::{Event, Transition};
use fusebox_core::{Failure, Outcome, Rng, Time};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const THREADS: usize = 64;
const FAILED: Outcome = Outcome::Failure(Failure::Error);

fn rounds(usual: usize) -> usize {
    if std::env::var_os("FUSEBOX_LONG").is_some() { 10_000 } else { usual }
}

/// No rule but the slow rate, which nothing here can reach.
fn bare(window: Window) -> Config {
    let strategy = WaitStrategy::Fixed(Duration::from_millis(1));
    Config {
        window,
        consecutive_failures: None,
        failure_rate: None,
        slow_call_rate: Some(1.0),
        minimum_calls: 64,
        wait_in_open: WaitInOpen { strategy, jitter: 0.0 },
        ..Config::default()
    }
}

/// A breaker, and every transition it has told.
struct Watched {
    breaker: CircuitBreaker,
    told: Arc<Mutex<Vec<Transition>>>,
}

impl Watched {
    fn new(config: Config) -> Watched {
        let settings = config.check(None).expect("the settings work");
        let breaker = CircuitBreaker::new(settings, Rng::seeded(9), Time::ZERO);
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        breaker.subscribe(Arc::new(move |event: &Event| {
            if let Event::Transition(change) = event {
                ear.lock().unwrap_or_else(PoisonError::into_inner).push(*change);
            }
        }));
        Watched { breaker, told }
    }

    fn told(&self) -> Vec<Transition> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Every thread settles one call of every circuit at the same moment; `fails` says which of them fail.
fn race(config: &Config, rounds: usize, fails: impl Fn(usize) -> bool + Sync) -> Vec<Watched> {
    let circuits: Vec<Watched> = (0..rounds).map(|_| Watched::new(config.clone())).collect();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (circuits, barrier, fails) = (&circuits, &barrier, &fails);
            scope.spawn(move || {
                for Watched { breaker, .. } in circuits {
                    let ticket = breaker.admit(Time::ZERO).expect("nothing has failed yet");
                    barrier.wait();
                    breaker.settle(ticket, if fails(me) { FAILED } else { Outcome::Success }, Time::ZERO);
                }
            });
        }
    });
    circuits
}

fn trips_once_at_the_threshold_and_never_below(config: &Config, threshold: usize) {
    for circuit in race(config, rounds(250), |me| me < threshold) {
        let told = circuit.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].from, told[0].to), (State::Closed, State::Open));
        let totals = circuit.breaker.snapshot(Time::ZERO).totals;
        assert_eq!(totals.trips(), 1);
        assert_eq!(totals.success + totals.failure + totals.late, THREADS as u64);
    }
    for circuit in race(config, rounds(250), |me| me < threshold - 1) {
        assert_eq!(circuit.told(), []);
        let seen = circuit.breaker.snapshot(Time::ZERO);
        assert_eq!((seen.state, seen.totals.failure), (State::Closed, threshold as u64 - 1));
    }
}

#[test]
fn failures_that_reach_the_count_together_trip_a_count_window_exactly_once() {
    let config = Config { failure_count: Some(64), ..bare(Window::Calls(100)) };
    trips_once_at_the_threshold_and_never_below(&config, 64);
}

#[test]
fn failures_that_reach_the_count_together_trip_a_time_window_exactly_once() {
    let config = Config { failure_count: Some(64), ..bare(Window::Time(Duration::from_secs(60))) };
    trips_once_at_the_threshold_and_never_below(&config, 64);
}

#[test]
fn failures_that_complete_the_run_together_trip_exactly_once() {
    let config = Config { consecutive_failures: Some(64), ..bare(Window::Calls(100)) };
    let circuits = race(&config, rounds(250), |_| true);
    for circuit in circuits {
        assert_eq!(circuit.told().len(), 1);
        assert_eq!(circuit.breaker.snapshot(Time::ZERO).totals.failure, 64);
    }
}

#[test]
fn whichever_call_completes_the_evidence_of_a_rate_trips_a_count_window() {
    let config = Config { failure_rate: Some(0.5), ..bare(Window::Calls(64)) };
    trips_once_at_the_threshold_and_never_below(&config, 32);
}

#[test]
fn whichever_call_completes_the_evidence_of_a_rate_trips_a_time_window() {
    let config = Config { failure_rate: Some(0.5), ..bare(Window::Time(Duration::from_secs(60))) };
    trips_once_at_the_threshold_and_never_below(&config, 32);
}

#[test]
fn callers_that_find_the_wait_over_together_get_the_probes_and_no_more() {
    let config = Config { failure_count: Some(1), half_open_probes: 3, ..bare(Window::Calls(64)) };
    let circuits: Vec<Watched> = (0..rounds(250)).map(|_| Watched::new(config.clone())).collect();
    let (barrier, admitted) = (Barrier::new(THREADS), AtomicU64::new(0));
    for Watched { breaker, .. } in &circuits {
        breaker.settle(breaker.admit(Time::ZERO).expect("closed"), FAILED, Time::ZERO);
    }
    let probes: Vec<Ticket> = thread::scope(|scope| {
        let race = || {
            let mut mine = Vec::new();
            for Watched { breaker, .. } in &circuits {
                barrier.wait();
                mine.extend(breaker.admit(Time::from_millis(1)));
            }
            admitted.fetch_add(mine.len() as u64, Ordering::Relaxed);
            mine
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(race)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    });
    assert!(probes.iter().all(Ticket::is_probe));
    assert_eq!(admitted.into_inner(), 3 * circuits.len() as u64);
    for circuit in &circuits {
        assert_eq!(circuit.told().len(), 2, "a trip and one half-open phase");
        let seen = circuit.breaker.snapshot(Time::from_millis(1));
        assert_eq!((seen.probes.in_flight, seen.totals.rejected), (3, 61));
    }
}

/// What one thread of the storm did, for the books.
#[derive(Default)]
struct Deeds {
    settled: u64,
    rejected: u64,
}

const STORM_THREADS: u64 = 8;

fn storm(watched: &Watched, clock: &AtomicU64, steps: usize, mut dice: Rng) -> Deeds {
    let (breaker, mut held, mut deeds) = (&watched.breaker, Vec::<Ticket>::new(), Deeds::default());
    for _ in 0..steps {
        let step = dice.up_to(300_000);
        let now = Time::from_nanos(clock.fetch_add(step, Ordering::Relaxed) + step);
        match dice.up_to(99) {
            0..45 => match breaker.admit(now) {
                Ok(ticket) => held.push(ticket),
                Err(_) => deeds.rejected += 1,
            },
            45..90 if !held.is_empty() => {
                let ticket = held.swap_remove(dice.up_to(held.len() as u64 - 1) as usize);
                let outcome = match dice.up_to(9) {
                    0..6 => Outcome::Success,
                    6 => Outcome::Ignored,
                    7 => Outcome::Cancelled,
                    _ => FAILED,
                };
                breaker.settle(ticket, outcome, now);
                deeds.settled += 1;
            }
            45..97 => {
                if let Some(ticket) = held.last_mut() {
                    breaker.overdue(ticket, now);
                }
            }
            97 => breaker.tick(now),
            98 if dice.up_to(20) == 0 => {
                let mode = if dice.up_to(1) == 0 { Mode::ForcedOpen } else { Mode::ForcedClosed };
                let (actor, reason, expires) = ("ops".into(), "drill".into(), now + Duration::from_millis(5));
                breaker.hold(Hold { mode, actor, reason, expires }, now);
            }
            _ => {
                let seen = breaker.snapshot(now);
                assert!(seen.probes.in_flight <= 3, "{:?}", seen.probes);
                assert!(seen.state == State::Closed || seen.window.calls == 0, "{seen:?}");
            }
        }
    }
    let now = Time::from_nanos(clock.load(Ordering::Relaxed));
    deeds.settled += held.len() as u64;
    for ticket in held {
        breaker.settle(ticket, Outcome::Cancelled, now);
    }
    deeds
}

fn the_books_balance_after_a_storm(window: Window) {
    let config = Config {
        consecutive_failures: Some(6),
        failure_rate: Some(0.4),
        minimum_calls: 8,
        slow_call_duration: Setting::Is(Duration::from_millis(4)),
        slow_call_rate: Some(0.6),
        half_open: HalfOpen::Count { success_threshold: 2, probe_failures: 2 },
        probe_lease: Setting::Is(Duration::from_millis(8)),
        ..bare(window)
    };
    let (watched, clock) = (Watched::new(config), AtomicU64::new(0));
    let (steps, mut dice) = (rounds(5_000) * 10, Rng::seeded(42));
    let dice: Vec<Rng> = (0..STORM_THREADS).map(|_| dice.fork()).collect();
    let deeds: Vec<Deeds> = thread::scope(|scope| {
        let run = |dice| scope.spawn(|| storm(&watched, &clock, steps, dice));
        let threads: Vec<_> = dice.into_iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let end = Time::from_nanos(clock.into_inner()) + Duration::from_secs(1);
    let seen = watched.breaker.snapshot(end);
    let t = seen.totals;
    assert_eq!((seen.probes.in_flight, seen.hung, t.internal_faults), (0, 0, 0));
    let settled: u64 = deeds.iter().map(|deeds| deeds.settled).sum();
    assert_eq!(t.success + t.failure + t.ignored + t.cancelled + t.late, settled, "{t:?}");
    assert_eq!(t.rejected, deeds.iter().map(|deeds| deeds.rejected).sum::<u64>());
    let told = watched.told();
    let changes: u64 = t.changes.iter().flatten().sum();
    assert!(changes > 100, "the storm was a breeze: {changes} transitions");
    // A listener that is preempted for long may lose the oldest, but hears none twice and none out of order.
    assert!(told.len() as u64 <= changes, "{} told of {changes}", told.len());
    for pair in told.windows(2) {
        assert!(pair[0].epoch < pair[1].epoch, "{pair:?}");
        assert!(pair[0].epoch + 1 < pair[1].epoch || pair[0].to == pair[1].from, "{pair:?}");
    }
    for _ in 0..2 {
        if let Ok(ticket) = watched.breaker.admit(end) {
            watched.breaker.settle(ticket, Outcome::Success, end);
        }
    }
    assert_eq!(watched.breaker.state(end), State::Closed, "a healthy dependency closes its circuit");
}

#[test]
fn the_books_of_a_count_window_balance_after_a_storm() {
    the_books_balance_after_a_storm(Window::Calls(50));
}

#[test]
fn the_books_of_a_time_window_balance_after_a_storm() {
    the_books_balance_after_a_storm(Window::Time(Duration::from_millis(40)));
}

#[test]
fn a_state_that_is_read_while_it_changes_is_never_one_that_has_passed() {
    let config = Config { failure_count: Some(1), ..bare(Window::Calls(1_000)) };
    for _ in 0..rounds(200) {
        let (watched, tripped) =
            (Watched::new(Config { minimum_calls: 1, ..config.clone() }), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                watched.breaker.settle(
                    watched.breaker.admit(Time::ZERO).expect("closed"),
                    FAILED,
                    Time::ZERO,
                );
                tripped.store(true, Ordering::Release);
            });
            while !tripped.load(Ordering::Acquire) {
                watched.breaker.state(Time::ZERO);
            }
            assert!(
                watched.breaker.admit(Time::ZERO).is_err(),
                "a call slipped past a trip that was complete"
            );
        });
    }
}
