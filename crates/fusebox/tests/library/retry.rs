//! Further attempts: attempts, executions, events and time.

use crate::{three_strikes, told, totals, transitions};
use fusebox::pipeline::Order;
use fusebox::retry::{Backoff, BudgetConfig, Config, Jitter};
use fusebox::{Clock, Error, Failure, Fuse, Verdict};
use std::cell::Cell;
use std::time::Duration;

/// `max_attempts`, with waits of 100, 200, 400 ms … and no budget.
fn retries(max_attempts: u32) -> Config {
    let backoff = Backoff { jitter: Jitter::None, ..Backoff::default() };
    Config { max_attempts, backoff, budget: None }
}

fn fuse(order: Order, retry: Config) -> Fuse {
    let builder = Fuse::builder("a").breaker(three_strikes()).clock(Clock::tokio()).order(order);
    builder.retry(retry).build().expect("the settings work")
}

/// Runs `fuse` against a dependency that fails so many times; answers the result, the executions and the time taken.
async fn failing(fuse: &Fuse, failures: u32) -> (Result<u32, Error<String>>, u32, Duration) {
    let (clock, executions) = (Clock::tokio(), Cell::new(0));
    let began = clock.now();
    let result = fuse.run(|| {
        executions.set(executions.get() + 1);
        let attempt = executions.get();
        async move { if attempt <= failures { Err(format!("failure {attempt}")) } else { Ok(attempt) } }
    });
    (result.await, executions.get(), clock.now().since(began))
}

#[tokio::test(start_paused = true)]
async fn backoff_doubles_and_the_breaker_sees_one_call() {
    let fuse = fuse(Order::Seed, retries(4));
    let changes = transitions(fuse.circuit());
    assert_eq!(failing(&fuse, 3).await, (Ok(4), 4, Duration::from_millis(700)));
    let totals = totals(fuse.circuit());
    assert_eq!((totals.success, totals.failure), (1, 0));
    assert!(told(&changes).is_empty());
}

#[tokio::test(start_paused = true)]
async fn max_attempts_counts_the_first() {
    let fuse = fuse(Order::Seed, retries(2));
    let (result, executions, _) = failing(&fuse, 9).await;
    assert_eq!((result, executions), (Err(Error::Failed("failure 2".into())), 2));
    assert_eq!(totals(fuse.circuit()).failure, 1);
}

#[tokio::test(start_paused = true)]
async fn with_retry_outside_the_breaker_sees_every_attempt_and_stops_them() {
    let fuse = fuse(Order::RetryOutside, retries(9));
    let changes = transitions(fuse.circuit());
    let (result, executions, _) = failing(&fuse, 9).await;
    assert_eq!((result, executions), (Err(Error::Failed("failure 3".into())), 3));
    let totals = totals(fuse.circuit());
    assert_eq!((totals.failure, totals.rejected), (3, 0), "an open circuit is not asked again");
    assert_eq!(told(&changes), ["a: closed > open"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_call_is_not_retried() {
    let fuse = fuse(Order::Seed, retries(9));
    for _ in 0..3 {
        fuse.circuit().admit().expect("closed").failure();
    }
    let (result, executions, took) = failing(&fuse, 0).await;
    assert!(result.is_err_and(|error| error.is_rejected()));
    assert_eq!((executions, took, totals(fuse.circuit()).rejected), (0, Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn jitter_stays_within_the_wait_and_follows_the_seed() {
    async fn waited(seed: u64) -> Duration {
        let config = Config { max_attempts: 2, budget: None, ..Config::default() };
        let builder = Fuse::builder("a").clock(Clock::tokio()).seed(seed).retry(config);
        failing(&builder.build().expect("the settings work"), 1).await.2
    }
    let mut all = Vec::new();
    for seed in 0..20 {
        let wait = waited(seed).await;
        assert!(wait <= Duration::from_millis(101), "seed {seed}: {wait:?}");
        assert_eq!(wait, waited(seed).await, "seed {seed}");
        all.push(wait);
    }
    all.sort_unstable();
    all.dedup();
    assert!(all.len() > 10, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_shared_by_all_calls() {
    let budget = Some(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
    let config =
        fusebox::breaker::Config { consecutive_failures: None, failure_rate: None, ..three_strikes() };
    let builder = Fuse::builder("a").breaker(config).clock(Clock::tokio());
    let fuse = builder.retry(Config { budget, ..retries(2) }).build().expect("the settings work");
    let mut executions = 0;
    for _ in 0..50 {
        executions += failing(&fuse, 9).await.1;
    }
    assert_eq!(executions, 55, "a tenth of 50 first tries");
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_an_overloaded_dependency_asks_for_is_obeyed() {
    let overloaded = |result: &Result<u32, u32>| match result {
        Err(wait) => Verdict::failure(Failure::Overloaded { retry_after_secs: *wait }),
        Ok(_) => Verdict::SUCCESS,
    };
    let builder = Fuse::builder("a").clock(Clock::tokio()).retry(retries(2)).classify(overloaded);
    let fuse = builder.build().expect("the settings work");
    let (clock, executions) = (Clock::tokio(), Cell::new(0));
    let began = clock.now();
    let result = fuse.run(|| {
        executions.set(executions.get() + 1);
        std::future::ready(if executions.get() == 1 { Err(2) } else { Ok(1) })
    });
    assert_eq!(result.await, Ok(1));
    assert_eq!(clock.now().since(began), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_cannot_put_a_call_to_sleep_for_longer_than_any_backoff() {
    let overloaded =
        |_: &Result<u32, u32>| Verdict::failure(Failure::Overloaded { retry_after_secs: u32::MAX });
    let builder = Fuse::builder("a").clock(Clock::tokio()).retry(retries(2)).classify(overloaded);
    let fuse = builder.build().expect("the settings work");
    let began = fuse.circuit().clock().now();
    assert_eq!(fuse.run(|| std::future::ready(Err::<u32, _>(1))).await, Err(Error::Failed(1)));
    assert_eq!(fuse.circuit().clock().now(), began);
}

#[test]
fn a_blocking_pipeline_retries_too() {
    let backoff = Backoff { base: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
    let builder = Fuse::builder("a").retry(Config { backoff, ..retries(3) });
    let fuse = builder.build_blocking().expect("the settings work");
    let mut executions = 0;
    let result = fuse.call(|| {
        executions += 1;
        if executions < 3 { Err("down") } else { Ok(executions) }
    });
    assert_eq!((result, totals(fuse.circuit()).success), (Ok(3), 1));
}
