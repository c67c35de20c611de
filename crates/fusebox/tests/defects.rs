//! Defects of the classic samples and of other breakers that only show through handles, threads and futures, as tests
//! that they are not here. Those of the policy alone stand in `fusebox-core/tests/defects`.

use fusebox::breaker::{Config, HalfOpen, Hold, Mode, State, WaitInOpen, WaitStrategy};
use fusebox::retry::{self, BudgetConfig};
use fusebox::{CircuitBreaker, Clock, Error, Fuse, ManualClock, Permit, Reason, Registry, Rng};
use futures::FutureExt;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

/// Opens at the third failure in a row for 30 s; three probes at a time, three good ones close.
fn config() -> Config {
    Config {
        consecutive_failures: Some(3),
        failure_rate: None,
        wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(WAIT), jitter: 0.0 },
        half_open: HalfOpen::Count { success_threshold: 3, probe_failures: 1 },
        ..Config::default()
    }
}

fn circuit() -> (CircuitBreaker, ManualClock) {
    let (clock, hand) = Clock::manual();
    let built = CircuitBreaker::builder("a").config(config()).clock(clock).build();
    (built.expect("the settings work"), hand)
}

fn trip(circuit: &CircuitBreaker) {
    for _ in 0..3 {
        circuit.call(|| Err::<(), _>("down")).expect_err("it fails");
    }
    assert_eq!(circuit.state(), State::Open);
}

fn half_open() -> (CircuitBreaker, ManualClock) {
    let (circuit, hand) = circuit();
    trip(&circuit);
    hand.advance(WAIT);
    (circuit, hand)
}

fn admitted(circuit: &CircuitBreaker) -> Permit {
    circuit.admit().expect("the circuit admits")
}

#[test]
fn probes_that_are_cancelled_neither_wedge_nor_decide() {
    let (circuit, _) = half_open();
    for _ in 0..100 {
        assert!(circuit.run(pending::<Result<(), String>>()).now_or_never().is_none());
        assert_eq!(circuit.state(), State::HalfOpen);
    }
    for _ in 0..3 {
        circuit.call(|| Ok::<_, String>(())).expect("a good probe");
    }
    assert_eq!((circuit.state(), circuit.snapshot().totals.cancelled), (State::Closed, 100));
}

#[test]
fn a_crowd_of_threads_gets_no_more_than_the_probes() {
    let (circuit, _) = half_open();
    let (start, inside) = (Arc::new(Barrier::new(16)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (circuit, start, inside) = (circuit.clone(), start.clone(), inside.clone());
            thread::spawn(move || {
                start.wait();
                let permits: Vec<_> = (0..10).filter_map(|_| circuit.admit().ok()).collect();
                inside.fetch_add(permits.len() as u32, Relaxed);
                start.wait();
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    assert_eq!(inside.load(Relaxed), 3);
    assert_eq!(circuit.snapshot().totals.rejected, 157);
}

#[test]
fn late_successes_do_not_close_and_late_failures_do_not_prolong() {
    let (circuit, hand) = circuit();
    let mut late: Vec<_> = (0..20).map(|_| admitted(&circuit)).collect();
    trip(&circuit);
    let retry_at = circuit.snapshot().retry_at;
    hand.advance(Duration::from_secs(1));
    late.drain(..10).for_each(Permit::failure);
    assert_eq!(circuit.snapshot().retry_at, retry_at);
    hand.advance(WAIT);
    let probe = admitted(&circuit);
    late.drain(..).for_each(Permit::success);
    assert_eq!(circuit.state(), State::HalfOpen);
    probe.failure();
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().totals.late, 20);
}

#[test]
fn forced_open_rejects_until_it_is_over() {
    let (circuit, hand) = circuit();
    let hour = Duration::from_secs(3_600);
    let (actor, reason, now) = ("ops".into(), "drill".into(), circuit.clock().now());
    circuit.core().hold(Hold { mode: Mode::ForcedOpen, actor, reason, expires: now + hour }, now);
    for _ in 0..59 {
        hand.advance(Duration::from_secs(60));
        let refused = circuit.admit().expect_err("held open, however long a wait would be");
        assert_eq!(refused.reason, Reason::ForcedOpen);
    }
    hand.advance(Duration::from_secs(60));
    admitted(&circuit).success();
}

#[test]
fn a_listener_that_asks_the_circuit_while_it_is_reset_does_not_deadlock() {
    let (circuit, _) = circuit();
    trip(&circuit);
    let (asked, seen) = (circuit.clone(), Arc::new(AtomicU32::new(0)));
    let listener = seen.clone();
    circuit.on_event(move |_, _| {
        assert_eq!(asked.state(), State::Closed);
        listener.fetch_add(1, Relaxed);
    });
    circuit.core().reset(circuit.clock().now());
    assert_eq!(seen.load(Relaxed), 1);
}

#[tokio::test]
async fn a_handle_is_cloned_inside_a_task_and_the_first_call_after_the_wait_returns() {
    let (circuit, _) = half_open();
    let answer = tokio::spawn(async move { circuit.clone().run(async { Ok::<_, String>(7) }).await });
    assert_eq!(answer.await.expect("no panic"), Ok(7));
}

#[test]
fn a_circuit_that_is_dropped_lets_go_of_everything() {
    let held = Arc::new(());
    for _ in 0..100 {
        let ((circuit, hand), listener) = (circuit(), held.clone());
        circuit.on_event(move |_, _| drop(listener.clone()));
        trip(&circuit);
        hand.advance(WAIT);
        drop(admitted(&circuit));
    }
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn the_circuits_of_one_registry_do_not_probe_in_step() {
    let registry = Registry::with_clock(10, Clock::manual().0, Rng::seeded(7));
    let waits = ["a", "b", "c"].map(|name| {
        let circuit = registry.circuit(name);
        for _ in 0..10 {
            circuit.call(|| Err::<(), _>("down")).expect_err("it fails");
        }
        circuit.snapshot().retry_at
    });
    assert!(waits[0] != waits[1] && waits[1] != waits[2] && waits[0] != waits[2], "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn impatient_callers_trip_nothing() {
    let builder = Fuse::builder("a").breaker(config()).clock(Clock::tokio());
    let fuse = builder.deadline(Duration::from_millis(1)).build().expect("the settings work");
    for _ in 0..100 {
        let cut = fuse.run(pending::<Result<(), String>>).await;
        assert_eq!(cut, Err(Error::DeadlineExceeded));
        assert!(fuse.run(pending::<Result<(), String>>).now_or_never().is_none());
    }
    let snapshot = fuse.circuit().snapshot();
    assert_eq!((snapshot.state, snapshot.totals.cancelled, snapshot.totals.failure), (State::Closed, 200, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_budget_is_not_dead_when_nothing_succeeds() {
    let never = Config { consecutive_failures: None, failure_rate: None, ..config() };
    let backoff = retry::Backoff { base: Duration::ZERO, ..retry::Backoff::default() };
    let budget = Some(BudgetConfig { ratio: 0.0, floor_per_second: 1.0 });
    let builder = Fuse::builder("a").breaker(never).clock(Clock::tokio());
    let fuse = builder.retry(retry::Config { max_attempts: 2, backoff, budget }).build();
    let (fuse, executions) = (fuse.expect("the settings work"), AtomicU32::new(0));
    for _ in 0..60 {
        let down = fuse.run(|| async {
            executions.fetch_add(1, Relaxed);
            Err::<(), _>("down")
        });
        assert_eq!(down.await, Err(Error::Failed("down")));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(executions.load(Relaxed), 120);
}
