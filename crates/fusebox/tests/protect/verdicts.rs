//! What the circuit learns of a protected function.

use crate::{Circuit, Wrong, three_strikes, totals};
use fusebox::breaker::State;
use fusebox::{CircuitBreaker, Error, Failure, Reason, Rejected, Verdict, protect};
use futures::FutureExt;
use futures::executor::block_on;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[test]
fn the_third_failure_opens_the_circuit_and_the_body_runs_no_more() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("failing"));
    static RUNS: AtomicU32 = AtomicU32::new(0);

    #[protect(breaker = CIRCUIT)]
    fn failing() -> Result<(), Wrong> {
        RUNS.fetch_add(1, Relaxed);
        Err(Wrong::Broken(500))
    }

    for _ in 0..3 {
        assert_eq!(failing(), Err(Wrong::Broken(500)));
    }
    assert_eq!(CIRCUIT.state(), State::Open);
    let Err(Wrong::Refused(rejected)) = failing() else { panic!("the circuit is open") };
    assert_eq!((&*rejected.circuit, rejected.reason), ("failing", Reason::Open));
    assert_eq!(RUNS.load(Relaxed), 3);
}

#[test]
fn an_async_function_is_refused_without_being_polled() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("failing later"));
    static RUNS: AtomicU32 = AtomicU32::new(0);

    #[protect(breaker = CIRCUIT)]
    async fn failing() -> Result<(), Error<String>> {
        RUNS.fetch_add(1, Relaxed);
        Err(Error::Failed("down".into()))
    }

    for _ in 0..3 {
        assert_eq!(block_on(failing()), Err(Error::Failed("down".into())));
    }
    assert!(block_on(failing()).is_err_and(|error| error.is_rejected()));
    assert_eq!((RUNS.load(Relaxed), CIRCUIT.state()), (3, State::Open));
}

#[test]
fn a_panic_is_one_failure_and_goes_on() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("panicking"));

    #[protect(breaker = CIRCUIT)]
    fn panicking() -> Result<(), Wrong> {
        panic!("a bug")
    }

    #[protect(breaker = CIRCUIT)]
    async fn panicking_later() -> Result<(), Wrong> {
        std::future::ready(()).await;
        panic!("a bug")
    }

    let first = catch_unwind(panicking).expect_err("it goes on");
    assert_eq!(first.downcast_ref(), Some(&"a bug"));
    assert!(block_on(AssertUnwindSafe(panicking_later()).catch_unwind()).is_err());
    let totals = totals(&CIRCUIT);
    assert_eq!((totals.failure, totals.cancelled), (2, 0));
}

#[test]
fn a_future_that_is_dropped_counts_as_cancelled() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("hanging"));

    #[protect(breaker = CIRCUIT)]
    async fn hanging() -> Result<(), Wrong> {
        std::future::pending().await
    }

    drop(hanging());
    assert_eq!(totals(&CIRCUIT).cancelled, 0, "it never began");
    assert!(hanging().now_or_never().is_none());
    let totals = totals(&CIRCUIT);
    assert_eq!((totals.cancelled, totals.failure, totals.success), (1, 0, 0));
}

#[test]
fn a_classifier_says_what_is_a_failure() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("classified"));

    #[protect(breaker = CIRCUIT, classify = server_errors)]
    fn answer(code: u32) -> Result<u32, Wrong> {
        if code < 400 { Ok(code) } else { Err(Wrong::Broken(code)) }
    }

    fn server_errors(result: &Result<u32, Wrong>) -> Verdict {
        match result {
            Err(Wrong::Broken(500..)) => Verdict::failure(Failure::Error),
            Err(Wrong::Broken(499)) => Verdict::IGNORED,
            _ => Verdict::SUCCESS,
        }
    }

    for code in [200, 404, 499, 503] {
        let _ = answer(code);
    }
    let totals = totals(&CIRCUIT);
    assert_eq!((totals.success, totals.ignored, totals.failure), (2, 1, 1));
}

/// An error that names its cause.
#[derive(Debug)]
struct Because(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("do the work")
    }
}

impl StdError for Because {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

impl From<Rejected> for Because {
    fn from(rejected: Rejected) -> Self {
        Because(rejected.into())
    }
}

#[test]
fn the_refusal_of_another_circuit_is_no_failure_of_this_one() {
    fn refused() -> Rejected {
        let inner = three_strikes("inner");
        for _ in 0..3 {
            let _ = inner.call(|| Err::<(), _>("down"));
        }
        inner.admit().expect_err("it is open")
    }

    #[protect(breaker = outer)]
    fn by_type(outer: &CircuitBreaker) -> Result<(), Error<String>> {
        Err(refused())?
    }

    #[protect(breaker = outer)]
    fn itself(outer: &CircuitBreaker) -> Result<(), Rejected> {
        Err(refused())
    }

    #[protect(breaker = outer)]
    fn by_cause(outer: &CircuitBreaker) -> Result<(), Because> {
        Err(Because(Box::new(Error::<std::io::Error>::Rejected(refused()))))
    }

    #[protect(breaker = outer)]
    async fn in_a_box(outer: &CircuitBreaker) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err(Because::from(refused()))?
    }

    let outer = three_strikes("outer");
    assert!(by_type(&outer).is_err() && itself(&outer).is_err() && by_cause(&outer).is_err());
    assert!(block_on(in_a_box(&outer)).is_err());
    let totals = totals(&outer);
    assert_eq!((totals.ignored, totals.failure), (4, 0));
}
