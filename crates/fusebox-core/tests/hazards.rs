//! The hazards of a lock-free front, each by its name, on real threads or in the one order that shows it.
//!
//! The protocols themselves are explored by loom, beside the code. Here the same hazards meet the breaker as it is
//! compiled: a bounded number of rounds each, no sleep, and no assertion about who was first.

use fusebox_core::breaker::{
    CircuitBreaker, Config, HalfOpen, Setting, State, Ticket, WaitInOpen, WaitStrategy, Window,
};
use fusebox_core::{Failure, Outcome, Rng, Time};
use std::hint::spin_loop;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const ROUNDS: usize = 10_000;
const FAILED: Outcome = Outcome::Failure(Failure::Error);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A bucket a second, three probes at once; no rule that anything here could reach.
fn config() -> Config {
    Config {
        window: Window::Time(ms(10_000)),
        consecutive_failures: None,
        failure_rate: None,
        slow_call_rate: Some(1.0),
        minimum_calls: 100,
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(ms(1_000)), jitter: 0.0 },
        probe_lease: Setting::Is(ms(300)),
        ..Config::default()
    }
}

fn breaker(config: &Config) -> CircuitBreaker {
    let settings = config.clone().check(None).expect("the settings work");
    CircuitBreaker::new(settings, Rng::seeded(3), Time::ZERO)
}

fn call(breaker: &CircuitBreaker, outcome: Outcome, now: Time) {
    breaker.settle(breaker.admit(now).expect("admitted"), outcome, now);
}

/// Settles two calls, admitted before, on a thread each at about the same moment, in circuits that `prepare` has led up
/// to it. From round to round one of the threads is a little later.
fn race(config: &Config, prepare: impl Fn(&CircuitBreaker), outcomes: [Outcome; 2]) -> Vec<CircuitBreaker> {
    let circuits: Vec<CircuitBreaker> = (0..ROUNDS)
        .map(|_| {
            let circuit = breaker(config);
            prepare(&circuit);
            circuit
        })
        .collect();
    let arrived = AtomicU64::new(0);
    let meet = |count: u64| {
        arrived.fetch_add(1, Ordering::AcqRel);
        while arrived.load(Ordering::Acquire) < count {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        for (me, outcome) in outcomes.into_iter().enumerate() {
            let (circuits, meet) = (&circuits, &meet);
            scope.spawn(move || {
                for (round, circuit) in circuits.iter().enumerate() {
                    let ticket = circuit.admit(Time::ZERO).expect("closed until both have been admitted");
                    meet(4 * round as u64 + 2);
                    (0..round % 64 * me).for_each(|_| spin_loop());
                    circuit.settle(ticket, outcome, Time::ZERO);
                    meet(4 * round as u64 + 4);
                }
            });
        }
    });
    circuits
}

fn trips(breaker: &CircuitBreaker) -> u64 {
    breaker.snapshot(Time::ZERO).totals.trips()
}

#[test]
fn two_racing_failures_that_complete_the_count_never_miss_the_trip() {
    for window in [Window::Calls(100), Window::Time(ms(10_000))] {
        let config = Config { window, failure_count: Some(3), ..config() };
        let circuits = race(&config, |circuit| call(circuit, FAILED, Time::ZERO), [FAILED; 2]);
        assert!(circuits.iter().all(|circuit| trips(circuit) == 1));
    }
}

#[test]
fn a_success_that_completes_the_minimum_beside_a_failure_never_misses_the_trip() {
    for window in [Window::Calls(8), Window::Time(ms(10_000))] {
        let config = Config { window, failure_rate: Some(0.25), minimum_calls: 4, ..config() };
        let prepare = |circuit: &CircuitBreaker| {
            (0..2).for_each(|_| call(circuit, Outcome::Success, Time::ZERO));
        };
        let circuits = race(&config, prepare, [Outcome::Success, FAILED]);
        assert!(circuits.iter().all(|circuit| trips(circuit) == 1));
    }
}

#[test]
fn a_success_beside_the_failure_that_completes_a_run_does_not_undo_it() {
    let config = Config { consecutive_failures: Some(1), ..config() };
    let circuits = race(&config, |_| {}, [Outcome::Success, FAILED]);
    assert!(circuits.iter().all(|circuit| trips(circuit) == 1), "one failure is a run of one");
}

#[test]
fn a_success_ends_a_failing_run_wherever_it_lands() {
    let config = Config { consecutive_failures: Some(3), ..config() };
    let prepare = |circuit: &CircuitBreaker| (0..2).for_each(|_| call(circuit, FAILED, Time::ZERO));
    for circuit in race(&config, prepare, [Outcome::Success, Outcome::Success]) {
        call(&circuit, FAILED, Time::ZERO);
        assert_eq!(circuit.state(Time::ZERO), State::Closed);
        assert_eq!(circuit.snapshot(Time::ZERO).consecutive_failures, 1);
    }
}

#[test]
fn when_successes_leave_the_window_the_next_success_can_trip() {
    for by_timer in [false, true] {
        let config = Config { failure_rate: Some(0.5), minimum_calls: 4, ..config() };
        let circuit = breaker(&config);
        (0..10).for_each(|_| call(&circuit, Outcome::Success, Time::ZERO));
        let later = Time::from_millis(5_000);
        (0..4).for_each(|_| call(&circuit, FAILED, later));
        assert_eq!(circuit.state(later), State::Closed, "4 of 14");
        let gone = Time::from_millis(10_000);
        if by_timer {
            circuit.tick(gone);
            assert_eq!(circuit.state(gone), State::Closed, "nothing completes by time alone");
        }
        call(&circuit, Outcome::Success, gone);
        assert_eq!(circuit.state(gone), State::Open, "4 of 5");
    }
}

#[test]
fn a_success_in_a_later_epoch_is_late_and_no_evidence() {
    let config = Config { failure_rate: Some(0.5), minimum_calls: 4, ..config() };
    let circuit = breaker(&config);
    let old: Vec<Ticket> = (0..9).map(|_| circuit.admit(Time::ZERO).expect("closed")).collect();
    circuit.reset(Time::ZERO);
    (0..3).for_each(|_| call(&circuit, FAILED, Time::ZERO));
    old.into_iter().for_each(|ticket| circuit.settle(ticket, Outcome::Success, Time::ZERO));
    let seen = circuit.snapshot(Time::ZERO);
    assert_eq!((seen.window.calls, seen.totals.success, seen.totals.late), (3, 0, 9));
    call(&circuit, FAILED, Time::ZERO);
    assert_eq!(circuit.state(Time::ZERO), State::Open, "4 of 4, not 4 of 13");
}

/// Adds successes on three threads, as many as it answers, while one more does `meanwhile` all the time.
fn add_while(circuit: &CircuitBreaker, clock: &AtomicU64, meanwhile: impl Fn() + Sync) -> u64 {
    const THREADS: u64 = 3;
    const CALLS: u64 = 3_000_000;
    let adding = AtomicU64::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    call(circuit, Outcome::Success, Time::from_millis(clock.load(Ordering::Relaxed)));
                }
                adding.fetch_sub(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while adding.load(Ordering::Relaxed) > 0 {
                meanwhile();
            }
        });
    });
    THREADS * CALLS
}

#[test]
fn what_is_added_while_the_window_is_cleared_is_counted_once() {
    for window in [Window::Calls(100), Window::Time(ms(10_000))] {
        let circuit = breaker(&Config { window, ..config() });
        let added = add_while(&circuit, &AtomicU64::new(0), || circuit.reset(Time::ZERO));
        let totals = circuit.snapshot(Time::ZERO).totals;
        assert_eq!(totals.success + totals.late, added);
        circuit.reset(Time::ZERO);
        let seen = circuit.snapshot(Time::ZERO);
        assert_eq!((seen.window.calls, seen.totals), (0, totals), "and stays counted");
    }
}

/// One thread turns the window on, the others add to it with whatever time they last saw.
#[test]
fn what_is_added_while_a_bucket_is_reused_is_in_one_bucket() {
    let (circuit, clock) = (breaker(&config()), AtomicU64::new(0));
    let added = add_while(&circuit, &clock, || {
        circuit.tick(Time::from_millis(clock.fetch_add(700, Ordering::Relaxed) + 700));
    });
    let now = Time::from_millis(clock.into_inner());
    let seen = circuit.snapshot(now);
    assert_eq!((seen.totals.success, seen.totals.late), (added, 0));
    assert!(seen.window.calls <= added);
    for round in 1..4 {
        let at = now + ms(10_000) * round;
        let gone = circuit.snapshot(at);
        assert_eq!(gone.window.calls, 0, "nothing stays behind in a bucket");
        call(&circuit, FAILED, at);
        assert_eq!(circuit.snapshot(at).window.calls, 1, "nor is anything taken off twice");
    }
}

/// A circuit half-open at one second.
fn half_open(config: Config) -> (CircuitBreaker, Time) {
    let circuit = breaker(&Config { consecutive_failures: Some(1), ..config });
    call(&circuit, FAILED, Time::ZERO);
    (circuit, Time::from_millis(1_000))
}

#[test]
fn a_probe_whose_lease_has_ended_does_not_free_its_slot_a_second_time() {
    let patient = HalfOpen::Count { success_threshold: 9, probe_failures: 9 };
    let (circuit, now) = half_open(Config { half_open: patient, half_open_probes: 2, ..config() });
    let lapsed = circuit.admit(now).expect("a probe");
    let lease_over = now + ms(300);
    let next = [circuit.admit(lease_over), circuit.admit(lease_over)].map(|asked| asked.expect("a probe"));
    circuit.settle(lapsed, Outcome::Success, lease_over);
    let seen = circuit.snapshot(lease_over);
    assert_eq!((seen.probes.in_flight, seen.probes.good, seen.probes.bad), (2, 0, 1));
    assert_eq!(seen.totals.late, 1);
    assert!(circuit.admit(lease_over).is_err(), "both slots are taken");
    next.into_iter().for_each(|probe| circuit.settle(probe, Outcome::Success, lease_over));
    assert_eq!(circuit.snapshot(lease_over).probes.good, 2);
}

#[test]
fn probes_that_settle_while_their_leases_end_free_each_slot_once() {
    let patient = HalfOpen::Count { success_threshold: 9, probe_failures: 9 };
    for _ in 0..ROUNDS {
        let (circuit, now) = half_open(Config { half_open: patient, ..config() });
        let probes = [(); 3].map(|()| circuit.admit(now).expect("a probe"));
        let (barrier, lease_over) = (&Barrier::new(2), now + ms(300));
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                circuit.tick(lease_over);
            });
            barrier.wait();
            probes.into_iter().for_each(|probe| circuit.settle(probe, Outcome::Success, lease_over - ms(1)));
        });
        let seen = circuit.snapshot(lease_over);
        assert_eq!((seen.probes.in_flight, seen.probes.good + seen.probes.bad), (0, 3));
        assert_eq!(u64::from(seen.probes.bad), seen.totals.late);
    }
}

#[test]
fn a_settle_with_a_stale_now_counts_in_the_present_bucket_and_turns_nothing_back() {
    let circuit = breaker(&config());
    let ticket = circuit.admit(Time::ZERO).expect("closed");
    let failed = circuit.admit(Time::ZERO).expect("closed");
    let now = Time::from_millis(9_500);
    call(&circuit, FAILED, now);
    circuit.settle(ticket, Outcome::Success, Time::from_millis(100));
    circuit.settle(failed, FAILED, Time::from_millis(100));
    assert_eq!(circuit.snapshot(Time::from_millis(100)).window.calls, 3);
    let later = circuit.snapshot(Time::from_millis(15_000)).window;
    assert_eq!((later.calls, later.failures), (3, 2), "added at 9.5 s, in the window till 19 s");
    assert_eq!(circuit.snapshot(Time::from_millis(19_000)).window.calls, 0);
}

#[test]
fn a_settle_with_a_stale_now_does_not_lead_back_into_a_state_that_has_passed() {
    let (circuit, now) = half_open(config());
    let probe = circuit.admit(now).expect("a probe");
    assert_eq!(circuit.state(Time::from_millis(500)), State::HalfOpen, "what has begun has begun");
    circuit.settle(probe, FAILED, Time::from_millis(999));
    assert_eq!(circuit.state(now), State::Open);
    assert!(circuit.snapshot(now).retry_at >= Time::from_millis(1_999));
}
