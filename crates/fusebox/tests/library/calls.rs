//! One call through one circuit: blocking, and as a future on any executor.

use crate::{WAIT, circuit, open_circuit, told, totals, transitions};
use fusebox::breaker::State;
use fusebox::{BlockingFuse, Error, Fuse, Nested, Reason, retry};
use futures::FutureExt;
use futures::executor::block_on;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn a_blocking_call_hands_values_and_errors_through() {
    let (circuit, _) = circuit("a");
    assert_eq!(circuit.call(|| Ok::<_, String>(7)), Ok(7));
    assert_eq!(circuit.call(|| Err::<u32, _>("down")), Err(Error::Failed("down")));
    let totals = totals(&circuit);
    assert_eq!((totals.success, totals.failure), (1, 1));
}

#[test]
fn an_open_circuit_calls_nothing_and_says_until_when() {
    let (circuit, hand) = open_circuit("a");
    hand.advance(Duration::from_secs(12));
    let mut executions = 0;
    let result = circuit.call(|| {
        executions += 1;
        Ok::<_, String>(())
    });
    let Err(Error::Rejected(rejected)) = result else { panic!("{result:?}") };
    assert_eq!((executions, rejected.reason), (0, Reason::Open));
    assert_eq!(rejected.retry_after, Some(Duration::from_secs(18)));
    assert_eq!(rejected.trip.map(|trip| trip.counted), Some(3));
}

#[test]
fn the_first_call_after_the_wait_is_the_probe_and_closes_the_circuit() {
    let (circuit, hand) = open_circuit("a");
    let changes = transitions(&circuit);
    hand.advance(WAIT);
    assert_eq!(circuit.state(), State::HalfOpen, "without any traffic");
    assert_eq!(circuit.call(|| Ok::<_, String>(7)), Ok(7));
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(told(&changes), ["a: open > half_open", "a: half_open > closed"]);
}

async fn answered() -> Result<u32, String> {
    std::future::ready(Ok(7)).await
}

#[tokio::test]
async fn futures_run_on_tokio() {
    let (circuit, _) = circuit("a");
    let circuits = circuit.clone();
    let spawned = tokio::spawn(async move { circuits.run(answered()).await });
    assert_eq!(spawned.await.expect("it did not panic"), Ok(7));
    assert_eq!(totals(&circuit).success, 1);
}

#[test]
fn futures_run_on_another_executor() {
    let (circuit, hand) = circuit("a");
    assert_eq!(block_on(circuit.run(answered())), Ok(7));
    for _ in 0..3 {
        block_on(circuit.run(async { Err::<(), _>("down") })).expect_err("it fails");
    }
    let mut polled = false;
    let refused = block_on(circuit.run(async {
        polled = true;
        Ok::<_, String>(())
    }));
    assert!(refused.is_err_and(|error| error.is_rejected()) && !polled);
    hand.advance(WAIT);
    assert_eq!(block_on(circuit.run(answered())), Ok(7));
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_panic_is_one_failure_and_goes_on() {
    let (circuit, _) = circuit("a");
    let panic = catch_unwind(|| circuit.call(|| -> Result<(), String> { panic!("a bug") }));
    assert_eq!(panic.expect_err("it goes on").downcast_ref(), Some(&"a bug"));
    let later = circuit.run(async { if true { panic!("a bug") } else { answered().await } });
    assert!(block_on(AssertUnwindSafe(later).catch_unwind()).is_err());
    let totals = totals(&circuit);
    assert_eq!((totals.failure, totals.cancelled, totals.success), (2, 0, 0));
}

fn with_retries() -> fusebox::FuseBuilder {
    let retries = retry::Config { max_attempts: 5, budget: None, ..retry::Config::default() };
    Fuse::builder("a").retry(retries)
}

#[test]
fn a_panic_in_a_pipeline_is_not_retried() {
    let fuse: BlockingFuse = with_retries().build_blocking().expect("the settings work");
    let mut executions = 0;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        fuse.call(|| -> Result<(), String> {
            executions += 1;
            panic!("a bug")
        })
    }));
    assert!(panic.is_err());
    assert_eq!((executions, totals(fuse.circuit()).failure), (1, 1));
}

#[tokio::test]
async fn a_panic_in_an_async_pipeline_is_not_retried() {
    let fuse = with_retries().build().expect("the settings work");
    let mut executions = 0;
    let run = fuse.run(|| {
        executions += 1;
        async { if true { panic!("a bug") } else { answered().await } }
    });
    assert!(AssertUnwindSafe(run).catch_unwind().await.is_err());
    assert_eq!((executions, totals(fuse.circuit()).failure), (1, 1));
}

#[test]
fn the_refusal_of_a_circuit_inside_is_no_failure_of_the_one_outside() {
    let ((outer, _), (inner, _)) = (circuit("outer"), open_circuit("inner"));
    for _ in 0..10 {
        let result = outer.call_with(Nested, || inner.call(|| Ok::<_, String>(())));
        let Err(Error::Failed(Error::Rejected(rejected))) = result else { panic!("{result:?}") };
        assert_eq!(&*rejected.circuit, "inner");
    }
    let totals = totals(&outer);
    assert_eq!((outer.state(), totals.ignored, totals.failure), (State::Closed, 10, 0));
}
