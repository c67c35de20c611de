//! Calls that never come back.

use crate::totals;
use fusebox::breaker::State;
use fusebox::{CircuitBreaker, Clock, Error};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

const SLOW: Duration = Duration::from_secs(5);

#[test]
fn ten_blocking_calls_that_hang_open_a_default_circuit() {
    let (clock, hand) = Clock::manual();
    let circuit = CircuitBreaker::builder("a").clock(clock).build().expect("the default works");
    let (all_inside, release) = (Arc::new(Barrier::new(11)), Arc::new(Barrier::new(11)));
    let calls: Vec<_> = (0..10)
        .map(|n| {
            let (circuit, all_inside, release) = (circuit.clone(), all_inside.clone(), release.clone());
            thread::spawn(move || {
                circuit.call(|| {
                    all_inside.wait();
                    release.wait();
                    Ok::<_, String>(n)
                })
            })
        })
        .collect();
    all_inside.wait();
    assert_eq!(circuit.state(), State::Closed);

    hand.advance(SLOW);
    let refused = circuit.call(|| Ok::<_, String>(0));
    let Err(Error::Rejected(rejected)) = refused else { panic!("{refused:?}") };
    assert!(rejected.to_string().contains("10 of them hung"), "{rejected}");

    release.wait();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.join().expect("no call panics"), Ok(n), "its own result all the same");
    }
    let totals = totals(&circuit);
    assert_eq!((totals.late, totals.success, circuit.state()), (10, 0, State::Open));
}

#[test]
fn a_probe_that_hangs_gives_its_slot_back_when_its_lease_ends() {
    let (circuit, hand) = crate::open_circuit("a");
    hand.advance(crate::WAIT);
    let (inside, entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let probe = thread::spawn({
        let circuit = circuit.clone();
        move || {
            circuit.call(|| {
                inside.send(()).expect("the test waits");
                released.recv().expect("the test releases");
                Ok::<_, String>(())
            })
        }
    });
    entered.recv().expect("the probe begins");
    assert!(circuit.admit().is_err(), "one probe at a time");

    hand.advance(crate::WAIT);
    assert_eq!(circuit.state(), State::Open, "the lease is over, and the probe has failed");
    hand.advance(crate::WAIT);
    circuit.admit().expect("the next probe").success();
    assert_eq!(circuit.state(), State::Closed);

    release.send(()).expect("the probe waits");
    assert_eq!(probe.join().expect("no panic"), Ok(()));
    assert_eq!(totals(&circuit).late, 1);
}
