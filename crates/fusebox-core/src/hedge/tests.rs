use super::*;
use crate::retry::BudgetConfig;
use core::time::Duration;

const MS: u64 = 1_000_000;

fn hedge(after: After, budget: BudgetConfig) -> Hedge {
    Hedge::new(Config { after, budget }.check().expect("the settings work"))
}

fn percentile(percentile: f64) -> After {
    let (min, max) = (Duration::from_millis(5), Duration::from_secs(1));
    After::Percentile { percentile, min, max, start: Duration::from_millis(500) }
}

/// A call each millisecond for so many seconds, of which one in `unlucky` takes ten seconds; a hedge is never unlucky
/// and takes ten milliseconds, as does every other call.
fn call(hedge: &Hedge, unlucky: u64, since: u64, seconds: u64) {
    let fast = 10 * MS;
    for i in 0..seconds * 1_000 {
        let began = Time::from_millis(since * 1_000 + i);
        hedge.first_try(began);
        if i % unlucky != 0 {
            hedge.record(fast, Outcome::Success, began.plus_nanos(fast));
            continue;
        }
        let delay = hedge.delay(began);
        let (sent, answered) = (began.plus_nanos(delay), began.plus_nanos(delay + fast));
        if hedge.withdraw(sent) {
            hedge.won();
            hedge.record(fast, Outcome::Success, answered);
            hedge.record(delay + fast, Outcome::Cancelled, answered);
        } else {
            let timeout = 2_000 * MS;
            hedge.record(timeout, Outcome::Failure(Failure::Timeout), began.plus_nanos(timeout));
        }
    }
}

#[test]
fn a_fixed_delay_stays_and_every_hedge_is_counted() {
    let budget = BudgetConfig { ratio: 0.1, floor_per_second: 0.0 };
    let hedge = hedge(After::Fixed(Duration::from_millis(50)), budget);
    let now = Time::from_secs(5);
    (0..100).for_each(|_| hedge.first_try(now));
    assert_eq!((0..15).filter(|_| hedge.withdraw(now)).count(), 10, "a tenth of a hundred");
    hedge.won();
    hedge.record(900 * MS, Outcome::Success, now);
    let expected =
        Snapshot { delay_nanos: 50 * MS, samples: 0, first_tries: 100, hedges: 10, wins: 1, denied: 5 };
    assert_eq!(hedge.snapshot(now), expected);
}

#[test]
fn the_delay_follows_the_percentile_from_its_start() {
    let hedge = hedge(percentile(0.95), BudgetConfig::default());
    assert_eq!(hedge.delay(Time::ZERO), 500 * MS);
    for i in 0..1_000 {
        hedge.record((i % 100 + 1) * MS, Outcome::Success, Time::from_millis(i));
    }
    let delay = hedge.delay(Time::from_secs(1));
    assert!((95 * MS..=107 * MS).contains(&delay), "{delay}");
}

#[test]
fn losers_are_samples_so_that_cured_calls_do_not_pull_the_delay_down() {
    let hedge = hedge(percentile(0.9), BudgetConfig { ratio: 1.0, floor_per_second: 0.0 });
    call(&hedge, 5, 0, 30);
    let early = hedge.delay(Time::from_secs(30));
    assert!(early >= 500 * MS, "a fifth is slower than the delay, so the 90th percentile is: {early}");
    call(&hedge, 5, 30, 270);
    let late = hedge.delay(Time::from_secs(300));
    assert!(late >= early, "from {early} to {late}");
    assert_eq!(hedge.snapshot(Time::from_secs(300)).hedges, 60_000);
}

#[test]
fn a_caller_who_leaves_at_once_and_a_failure_that_is_fast_are_no_samples() {
    let hedge = hedge(percentile(0.95), BudgetConfig::default());
    let now = Time::from_millis(10);
    for outcome in [Outcome::Cancelled, Outcome::Ignored, Outcome::Failure(Failure::Connect)] {
        hedge.record(MS, outcome, now);
    }
    assert_eq!(hedge.snapshot(now).samples, 0);
    hedge.record(500 * MS, Outcome::Cancelled, now);
    assert_eq!(hedge.snapshot(now).samples, 1);
}

#[test]
fn when_everything_is_slow_the_budget_keeps_hedges_a_tenth() {
    let hedge = hedge(percentile(0.95), BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
    call(&hedge, 1, 0, 30);
    let seen = hedge.snapshot(Time::from_secs(30));
    assert_eq!(seen.first_tries, 30_000);
    assert!(seen.hedges <= 3_000, "{} hedges", seen.hedges);
    assert_eq!(seen.hedges + seen.denied, 30_000);
}
