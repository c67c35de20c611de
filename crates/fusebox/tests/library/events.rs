//! Events: in order, outside locks, whatever the listeners do.

use crate::{WAIT, circuit, open_circuit, told, transitions};
use fusebox::breaker::{Cause, State};
use fusebox::event::Event;
use fusebox::{CircuitBreaker, Clock, Registry, Rng};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

fn fail(circuit: &CircuitBreaker, times: u32) {
    for _ in 0..times {
        let _ = circuit.call(|| Err::<(), _>("down"));
    }
}

#[test]
fn every_change_is_told_once_and_in_order() {
    let (circuit, hand) = circuit("a");
    let changes = transitions(&circuit);
    fail(&circuit, 5);
    hand.advance(WAIT);
    fail(&circuit, 1);
    hand.advance(WAIT);
    circuit.call(|| Ok::<_, String>(())).expect("a good probe");
    assert_eq!(
        told(&changes),
        [
            "a: closed > open",
            "a: open > half_open",
            "a: half_open > open",
            "a: open > half_open",
            "a: half_open > closed",
        ]
    );
}

#[test]
fn a_transition_says_what_moved_it_and_when_it_will_probe() {
    let (circuit, _) = circuit("a");
    let seen = Arc::new(Mutex::new(None));
    let listener = seen.clone();
    circuit.on_event(move |_, event| *listener.lock().expect("alone") = Some(event.clone()));
    fail(&circuit, 3);
    let Some(Event::Transition(change)) = seen.lock().expect("alone").clone() else { panic!("no event") };
    let Cause::Tripped(trip) = change.cause else { panic!("{:?}", change.cause) };
    assert_eq!(trip.to_string(), "consecutive_failures 3 ≥ 3 (last: error ×3)");
    assert_eq!((change.epoch, change.retry_at.since(change.at)), (circuit.snapshot().epoch, WAIT));
}

#[test]
fn a_listener_that_panics_hurts_neither_the_call_nor_the_other_listeners() {
    let (circuit, _) = circuit("a");
    circuit.on_event(|_, _| panic!("a bug in a listener"));
    let changes = transitions(&circuit);
    fail(&circuit, 3);
    assert_eq!((told(&changes).len(), circuit.state()), (1, State::Open));
}

#[test]
fn a_listener_may_use_the_circuit_that_it_listens_to() {
    let (circuit, hand) = open_circuit("a");
    let (inside, seen) = (circuit.clone(), Arc::new(Mutex::new(Vec::new())));
    let listener = seen.clone();
    circuit.on_event(move |_, _| {
        let refused = inside.call(|| Err::<(), _>("down")).expect_err("refused or failed").is_rejected();
        listener.lock().expect("alone").push((inside.state(), inside.snapshot().state, refused));
        inside.on_event(|_, _| {});
    });
    hand.advance(WAIT);
    circuit.call(|| Ok::<_, String>(())).expect("a good probe");
    let seen = seen.lock().expect("alone");
    assert!(seen.len() >= 2, "half-open, then closed: {seen:?}");
}

#[test]
fn threads_that_cross_the_threshold_together_make_one_event() {
    for round in 0..50 {
        let (circuit, _) = circuit("a");
        let changes = transitions(&circuit);
        let start = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (circuit, start) = (circuit.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    fail(&circuit, 3);
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no call panics");
        }
        assert_eq!(told(&changes), ["a: closed > open"], "round {round}");
    }
}

#[test]
fn a_registrys_listener_hears_every_circuit_and_on_time_without_traffic() {
    let (clock, hand) = Clock::manual();
    let registry = Registry::with_clock(10, clock, Rng::seeded(1));
    let before = registry.circuit_with("before", &crate::three_strikes()).expect("the settings work");
    let (tell, heard) = mpsc::channel();
    registry.on_event(move |name, event| {
        if let Event::Transition(change) = event {
            let _ = tell.send((name.to_owned(), change.to));
        }
    });
    let after = registry.circuit_with("after", &crate::three_strikes()).expect("the settings work");
    let next = || heard.recv_timeout(Duration::from_secs(30)).expect("the timer thread tells");
    for circuit in [&before, &after] {
        fail(circuit, 3);
        assert_eq!(next(), (circuit.name().to_string(), State::Open));
    }
    hand.advance(WAIT);
    let mut both = [next(), next()];
    both.sort_by_key(|(name, _)| name.clone());
    assert_eq!(both, [("after".into(), State::HalfOpen), ("before".into(), State::HalfOpen)]);
}
