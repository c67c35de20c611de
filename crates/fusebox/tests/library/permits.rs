//! Permits settled by hand.

use crate::{WAIT, circuit, open_circuit, totals};
use fusebox::breaker::State;
use fusebox::{CircuitBreaker, Failure, Outcome, Permit, Reason};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn admitted(circuit: &CircuitBreaker) -> Permit {
    circuit.admit().expect("the circuit admits")
}

/// Success, failure, ignored, cancelled.
fn counted(circuit: &CircuitBreaker) -> [u64; 4] {
    let totals = totals(circuit);
    [totals.success, totals.failure, totals.ignored, totals.cancelled]
}

#[test]
fn a_permit_counts_as_what_is_said_of_it() {
    let (circuit, _) = circuit("a");
    admitted(&circuit).success();
    admitted(&circuit).failure();
    admitted(&circuit).settle(Outcome::Failure(Failure::Connect));
    admitted(&circuit).settle(Outcome::Ignored);
    assert_eq!(counted(&circuit), [1, 2, 1, 0]);
}

#[test]
fn a_permit_that_is_dropped_counts_as_cancelled() {
    fn leaves_early(circuit: &CircuitBreaker) -> Result<u32, std::num::ParseIntError> {
        let permit = admitted(circuit);
        let number = "seven".parse()?;
        permit.success();
        Ok(number)
    }

    let (circuit, _) = circuit("a");
    drop(admitted(&circuit));
    leaves_early(&circuit).expect_err("no number");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _permit = admitted(&circuit);
        panic!("past the permit");
    }));
    assert!(panic.is_err());
    assert_eq!(counted(&circuit), [0, 0, 0, 3]);
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_probes_slot_is_free_again_as_soon_as_its_permit_is_dropped() {
    let (circuit, hand) = open_circuit("a");
    hand.advance(WAIT);
    let probe = admitted(&circuit);
    assert!(probe.is_probe());
    let refused = circuit.admit().expect_err("one probe at a time");
    assert_eq!((refused.reason, refused.trip.is_some()), (Reason::HalfOpenFull, true));
    drop(probe);
    admitted(&circuit).success();
    assert_eq!(circuit.state(), State::Closed);
    assert!(!admitted(&circuit).is_probe());
}

#[test]
fn a_permit_goes_to_another_thread() {
    let (circuit, _) = circuit("a");
    let permit = admitted(&circuit);
    std::thread::spawn(move || permit.success()).join().expect("it settles");
    assert_eq!(counted(&circuit), [1, 0, 0, 0]);
}
