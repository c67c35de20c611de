//! Timeouts and deadlines, in tokio's paused time.

use crate::{three_strikes, told, totals, transitions};
use fusebox::breaker::{Config, Setting, State};
use fusebox::pipeline::Order;
use fusebox::test::Script;
use fusebox::{Ask, Clock, Error, Fuse, FuseBuilder, limiter, retry};
use futures::FutureExt;
use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Nothing is slow here, so that an attempt counts when it ends and not when it is overdue.
fn paused(name: &'static str) -> FuseBuilder {
    let config = Config { slow_call_duration: Setting::Off, ..three_strikes() };
    Fuse::builder(name).breaker(config).clock(Clock::tokio())
}

/// `max_attempts`, with waits of 100, 200, 400 ms … and no budget.
fn retries(max_attempts: u32) -> retry::Config {
    let backoff = retry::Backoff { jitter: retry::Jitter::None, ..retry::Backoff::default() };
    retry::Config { max_attempts, backoff, budget: None }
}

async fn hang() -> Result<u32, String> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure_that_reaches_the_breaker() {
    let fuse = paused("a").timeout(millis(250)).build().expect("the settings work");
    let (changes, clock) = (transitions(fuse.circuit()), fuse.circuit().clock().clone());
    let began = clock.now();
    for call in 1..=3 {
        assert_eq!(fuse.run(hang).await, Err(Error::TimedOut));
        assert_eq!(clock.now().since(began), millis(250) * call);
    }
    let refused = fuse.run(hang).await.expect_err("open");
    assert!(refused.to_string().contains("(last: timeout ×3)"), "{refused}");
    let totals = totals(fuse.circuit());
    assert_eq!((totals.failure, totals.cancelled, totals.rejected), (3, 0, 1));
    assert_eq!(told(&changes), ["a: closed > open"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_an_answer() {
    let fuse = paused("a").timeout(millis(250)).build().expect("the settings work");
    let quick = || async {
        let (clock, began) = (Clock::tokio(), Clock::tokio().now());
        let _ = tokio::time::timeout(millis(249), pending::<()>()).await;
        Ok::<_, String>(clock.now().since(began))
    };
    assert_eq!(fuse.run(quick).await, Ok(millis(249)));
    assert_eq!(totals(fuse.circuit()).success, 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_the_attempt_that_is_on_the_wire() {
    let fuse = paused("a").deadline(millis(400)).build().expect("the settings work");
    let (clock, began) = (Clock::tokio(), Clock::tokio().now());
    assert_eq!(fuse.run(hang).await, Err(Error::DeadlineExceeded));
    assert_eq!(clock.now().since(began), millis(400));
    let totals = totals(fuse.circuit());
    assert_eq!((totals.cancelled, totals.failure), (1, 0), "too short to speak against the dependency");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_that_the_deadline_leaves_no_time_for() {
    let fuse = paused("a").deadline(millis(250)).retry(retries(10)).build().expect("the settings work");
    let (clock, began) = (Clock::tokio(), Clock::tokio().now());
    let executions = Cell::new(0);
    let result = fuse.run(|| {
        executions.set(executions.get() + 1);
        async { Err::<(), _>("down") }
    });
    assert_eq!(result.await, Err(Error::Failed("down")), "the last attempt's own error");
    assert_eq!((executions.get(), clock.now().since(began)), (2, millis(100)));
    assert_eq!(totals(fuse.circuit()).failure, 1, "one verdict for the call");
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_retried_until_the_circuit_opens() {
    let fuse = paused("a").order(Order::RetryOutside).timeout(millis(100)).retry(retries(10));
    let fuse = fuse.build().expect("the settings work");
    let changes = transitions(fuse.circuit());
    let executions = Cell::new(0);
    let result = fuse.run(|| {
        executions.set(executions.get() + 1);
        hang()
    });
    assert_eq!(result.await, Err(Error::TimedOut));
    assert_eq!((executions.get(), totals(fuse.circuit()).failure), (3, 3));
    assert_eq!(told(&changes), ["a: closed > open"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_releases_its_probes_slot() {
    let fuse = paused("a").timeout(millis(100)).build().expect("the settings work");
    for _ in 0..3 {
        fuse.run(|| async { Err::<(), _>("down") }).await.expect_err("it fails");
    }
    tokio::time::advance(crate::WAIT).await;
    let mut probe = Box::pin(fuse.run(hang));
    assert_eq!((&mut probe).now_or_never(), None);
    assert!(fuse.run(hang).await.expect_err("one probe at a time").is_rejected());
    drop(probe);
    assert_eq!(fuse.run(|| async { Ok::<_, String>(7) }).await, Ok(7));
    assert_eq!((fuse.circuit().state(), totals(fuse.circuit()).cancelled), (State::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn ten_hanging_runs_open_a_default_circuit_while_they_hang() {
    let fuse = paused("a").breaker(Config::default()).build().expect("the settings work");
    let mut runs: Vec<_> = (0..10).map(|_| Box::pin(fuse.run(hang))).collect();
    let waited = tokio::time::timeout(millis(5_100), futures::future::join_all(runs.iter_mut()));
    assert!(waited.await.is_err(), "they hang");
    assert_eq!(fuse.circuit().state(), State::Open);
    let trip = fuse.circuit().snapshot().last_trip.expect("it tripped");
    assert!(trip.to_string().contains("10 of them hung"), "{trip}");
}

#[tokio::test(start_paused = true)]
async fn what_a_kind_of_calls_is_due_in_counts_from_each_call() {
    let fuse = Fuse::builder("a").clock(Clock::tokio()).build().expect("works");
    let script = Script::new().answers(Duration::from_millis(900), Ok::<_, String>(()));
    let kind = fuse.asking(Ask::default()).due_in(Duration::from_secs(1));
    for _ in 0..3 {
        kind.run(|| script.call()).await.expect("each has its second");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_part_of_the_deadline() {
    let (seconds, clock) = (Duration::from_secs, Clock::tokio());
    let quota = limiter::Config {
        permits: 1,
        per: seconds(10),
        burst: 1,
        max_wait: seconds(60),
        ..limiter::Config::default()
    };
    let built = Fuse::builder("a").clock(clock.clone()).rate_limiter(quota).deadline(seconds(5)).build();
    let fuse = built.expect("works");
    fuse.run(async || Ok::<_, &str>(())).await.expect("the first has its turn at once");
    let began = clock.now();
    assert!(fuse.run(async || Ok::<_, &str>(())).await.is_err());
    assert!(clock.now().since(began) <= seconds(5));
}
