//! What errors say; they read after "failed to".

use crate::{WAIT, open_circuit};
use fusebox::breaker::{Hold, Mode};
use fusebox::{CircuitBreaker, Error, Rejected};
use std::error::Error as _;
use std::io;
use std::time::Duration;

fn refused(circuit: &CircuitBreaker) -> Rejected {
    circuit.admit().expect_err("it refuses")
}

#[test]
fn a_refusal_names_the_circuit_the_rule_and_the_way_out() {
    let (circuit, hand) = open_circuit("payments");
    hand.advance(Duration::from_millis(500));
    assert_eq!(
        refused(&circuit).to_string(),
        "call payments: the circuit is open: consecutive_failures 3 ≥ 3 (last: error ×3); retry in 29.5 s"
    );
    hand.advance(WAIT);
    let _probe = circuit.admit().expect("the probe");
    assert_eq!(
        refused(&circuit).to_string(),
        "call payments: the circuit is half-open and its probes are all in flight: \
         consecutive_failures 3 ≥ 3 (last: error ×3); retry in 30.0 s"
    );
}

#[test]
fn a_refusal_by_an_operator_does_not_blame_the_dependency() {
    let (circuit, _) = open_circuit("payments");
    let now = circuit.clock().now();
    let (actor, reason, expires) = ("ops".into(), "migration".into(), now + Duration::from_secs(60));
    circuit.core().hold(Hold { mode: Mode::ForcedOpen, actor, reason, expires }, now);
    let rejected = refused(&circuit);
    assert_eq!(
        rejected.to_string(),
        "call payments: the circuit is held open by an operator; retry in 60.0 s"
    );
    assert_eq!(rejected.trip, None);
}

#[test]
fn every_error_fits_after_failed_to_and_names_its_source() {
    let (circuit, _) = open_circuit("payments");
    let rejected = Error::<io::Error>::from(refused(&circuit));
    assert!(rejected.to_string().starts_with("call payments: the circuit is open"));
    assert!(rejected.source().is_some_and(|source| source.is::<Rejected>()));

    let failed = Error::Failed(io::Error::other("connection refused"));
    assert_eq!(failed.to_string(), "connection refused");
    assert!(failed.source().is_some_and(|source| source.is::<io::Error>()));
    assert_eq!(failed.failed().map(|error| error.kind()), Some(io::ErrorKind::Other));

    let timed_out = Error::<io::Error>::TimedOut;
    assert_eq!(timed_out.to_string(), "get an answer within the timeout of an attempt");
    assert!(timed_out.source().is_none());
    let cut = Error::<io::Error>::DeadlineExceeded;
    assert_eq!(cut.to_string(), "get an answer within the deadline of the call");
}

#[test]
fn a_configuration_that_cannot_work_lists_every_field() {
    let built = CircuitBreaker::builder("a")
        .with(|config| {
            config.minimum_calls = 0;
            config.failure_rate = Some(0.0);
        })
        .build();
    assert_eq!(
        built.expect_err("it cannot work").to_string(),
        "use failure_rate = 0: a share above 0, up to 1 (0.5 is one half) is accepted; \
         use minimum_calls = 0: a whole number from 1 to 4294967295 is accepted"
    );
}
