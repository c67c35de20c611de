//! Lists of fallbacks: the list is the order.

use crate::{three_strikes, totals};
use fusebox::fallback::{Kind, Tally};
use fusebox::outcome::Source;
use fusebox::pipeline::FallbackOn;
use fusebox::retry::{self, Backoff};
use fusebox::{Answer, BlockingFuse, Cause, Clock, Error, Failure, Fallbacks, Fuse, FuseBuilder, Verdict};
use std::cell::Cell;
use std::future::ready;
use std::time::Duration;

type Down = Result<u32, &'static str>;

fn builder(name: &'static str) -> FuseBuilder {
    Fuse::builder(name).breaker(three_strikes()).clock(Clock::tokio())
}

fn fuse(name: &'static str) -> Fuse {
    builder(name).build().expect("the settings work")
}

fn blocking(name: &'static str) -> BlockingFuse {
    builder(name).clock(Clock::manual().0).build_blocking().expect("the settings work")
}

fn answered(value: u32, source: Source) -> Result<Answer<u32>, Error<&'static str>> {
    Ok(Answer { value, source })
}

#[tokio::test(start_paused = true)]
async fn the_first_item_with_an_answer_gives_it_and_the_later_ones_are_not_asked() {
    let (primary, backup, region) = (fuse("a"), fuse("b"), fuse("c"));
    let asked = Cell::new(0);
    let call = |live: Down, second: Down, third: Down| {
        let (primary, backup, region, asked) = (&primary, &backup, &region, &asked);
        async move {
            let list = Fallbacks::new()
                .alternative(backup, || {
                    asked.set(asked.get() + 1);
                    ready(second)
                })
                .other_region(region, || {
                    asked.set(asked.get() + 100);
                    ready(third)
                })
                .or_default(|_| 9);
            assert_eq!(list.kinds(), [Kind::Alternative, Kind::OtherRegion, Kind::Default]);
            primary.run_chain(|| ready(live), list).await
        }
    };
    let down = Err("down");
    assert_eq!(call(Ok(1), Ok(2), Ok(3)).await, answered(1, Source::Live));
    assert_eq!(asked.get(), 0, "a live answer asks nobody");
    assert_eq!(call(down, Ok(2), Ok(3)).await, answered(2, Source::Alternative));
    assert_eq!(asked.get(), 1);
    assert_eq!(call(down, down, Ok(3)).await, answered(3, Source::OtherRegion));
    assert_eq!(call(down, down, down).await, answered(9, Source::Default));
    assert_eq!(asked.get(), 203);
    let snapshot = primary.fallbacks();
    let tally = |kind, answered, nothing| Tally { kind, answered, nothing, panicked: 0 };
    assert_eq!(snapshot.of(Kind::Alternative), tally(Kind::Alternative, 1, 2));
    assert_eq!(snapshot.of(Kind::OtherRegion), tally(Kind::OtherRegion, 1, 1));
    assert_eq!(snapshot.of(Kind::Default), tally(Kind::Default, 1, 0));
    assert_eq!((snapshot.answered(), snapshot.unanswered), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn each_alternative_has_its_own_circuit_and_evidence() {
    let (primary, backup) = (fuse("a"), fuse("b"));
    let executions = Cell::new(0);
    for _ in 0..5 {
        let down = || ready(Down::Err("down"));
        let list = Fallbacks::new().alternative(&backup, || {
            executions.set(executions.get() + 1);
            ready(Err::<u32, _>("down as well"))
        });
        let error = primary.run_chain(down, list).await.expect_err("nothing is left");
        assert_eq!(error.clone().failed().is_some(), executions.get() <= 3 && !error.is_rejected());
    }
    assert_eq!(executions.get(), 3, "then the alternative's own circuit is open");
    assert_eq!((totals(primary.circuit()).failure, totals(primary.circuit()).rejected), (3, 2));
    assert_eq!((totals(backup.circuit()).failure, totals(backup.circuit()).rejected), (3, 2));
    assert_eq!(primary.fallbacks().unanswered, 5);
}

#[tokio::test(start_paused = true)]
async fn the_list_is_asked_once_after_the_last_retry() {
    let backoff = Backoff { base: Duration::from_millis(10), ..Backoff::default() };
    let retry = retry::Config { max_attempts: 3, backoff, budget: None };
    let fuse = builder("a").retry(retry).build().expect("the settings work");
    let (attempts, asked) = (Cell::new(0), Cell::new(0));
    let list = Fallbacks::new().or_default(|_| {
        asked.set(asked.get() + 1);
        attempts.get()
    });
    let op = || {
        attempts.set(attempts.get() + 1);
        ready(Down::Err("down"))
    };
    assert_eq!(fuse.run_chain(op, list).await, answered(3, Source::Default));
    assert_eq!(asked.get(), 1);
}

#[test]
fn the_cause_is_told_and_nothing_left_is_the_calls_own_error() {
    let fuse = blocking("a");
    for call in 0..4 {
        let mut told = String::new();
        let list = Fallbacks::new().or_default(|cause: Cause<'_, u32, &str>| {
            told = cause.to_string();
            u32::from(cause.is_rejected())
        });
        let answer = fuse.call_chain(|| Down::Err("down"), list);
        assert_eq!(answer, answered(u32::from(call == 3), Source::Default));
        assert!(told.starts_with(if call < 3 { "down" } else { "call a: the circuit is open" }), "{told}");
    }
    let empty = fuse.call_chain(|| Down::Err("down"), Fallbacks::new());
    assert!(empty.expect_err("nothing is left").is_rejected());
    assert_eq!(fuse.fallbacks().unanswered, 1);
}

#[test]
fn a_panic_in_the_list_is_contained_and_the_next_item_answers() {
    let (fuse, backup) = (blocking("a"), blocking("b"));
    let down = || Down::Err("down");
    let list = Fallbacks::new()
        .or_default(|_| panic!("a default that panics"))
        .alternative_blocking(&backup, || -> Down { panic!("an alternative that panics") })
        .or_default(|_| 7);
    assert_eq!(fuse.call_chain(down, list), answered(7, Source::Default));
    let list = Fallbacks::new().or_default(|_| panic!("the only one"));
    assert_eq!(fuse.call_chain(down, list), Err(Error::Failed("down")));
    let snapshot = fuse.fallbacks();
    assert_eq!((snapshot.of(Kind::Default).panicked, snapshot.of(Kind::Default).answered), (2, 1));
    assert_eq!((snapshot.of(Kind::Alternative).panicked, snapshot.unanswered), (1, 1));
    assert_eq!(totals(backup.circuit()).failure, 1, "its circuit knows");
}

#[tokio::test(start_paused = true)]
async fn an_async_item_may_panic_at_once_or_later() {
    let (fuse, backup) = (fuse("a"), fuse("b"));
    let list = Fallbacks::new()
        .alternative(&backup, || -> std::future::Ready<Down> { panic!("before there is a future") })
        .other_region(&backup, || async {
            tokio::task::yield_now().await;
            if true {
                panic!("in the middle");
            }
            Down::Ok(1)
        })
        .or_default(|_| 7);
    assert_eq!(fuse.run_chain(|| ready(Down::Err("down")), list).await, answered(7, Source::Default));
    assert_eq!(fuse.fallbacks().of(Kind::Alternative).panicked, 1);
    assert_eq!(fuse.fallbacks().of(Kind::OtherRegion).panicked, 1);
    assert_eq!(totals(backup.circuit()).failure, 2);
}

#[test]
fn told_to_it_answers_rejections_only() {
    let on = FallbackOn::Rejected;
    let fuse = builder("a").clock(Clock::manual().0).fallback_on(on).build_blocking().expect("works");
    let call = || fuse.call_chain(|| Down::Err("down"), Fallbacks::new().or_default(|_| 2));
    (0..3).for_each(|_| assert_eq!(call(), Err(Error::Failed("down"))));
    assert_eq!(call(), answered(2, Source::Default));
}

#[test]
fn what_is_no_failure_keeps_its_result_and_an_answer_that_is_one_does_not() {
    let status = |result: &Result<u32, ()>| match result {
        Ok(404) => Verdict::SUCCESS,
        Ok(499) => Verdict::IGNORED,
        Ok(500..) | Err(()) => Verdict::failure(Failure::Error),
        Ok(_) => Verdict::SUCCESS,
    };
    let fuse = builder("a").clock(Clock::manual().0).classify(status).build_blocking().expect("works");
    let backup = builder("b").clock(Clock::manual().0).classify(status).build_blocking().expect("works");
    for code in [200, 404, 499] {
        let answer = fuse.call_chain(|| Ok(code), Fallbacks::new().or_default(|_| 0));
        assert_eq!(answer, Ok(Answer { value: code, source: Source::Live }));
    }
    let list = Fallbacks::new().alternative_blocking(&backup, || Ok(502)).or_default(|cause| match cause {
        Cause::Answer(code) => code + 1,
        _ => 0,
    });
    assert_eq!(fuse.call_chain(|| Ok(500), list), Ok(Answer { value: 501, source: Source::Default }));
    let left = fuse.call_chain(|| Ok(503), Fallbacks::new());
    assert_eq!(left, Ok(Answer { value: 503, source: Source::Live }), "the answer there is");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_list_may_be_spawned() {
    /// Goes to another thread, but is never shared between two.
    type Lonely = Result<Cell<u32>, Cell<&'static str>>;
    let (primary, backup) = (fuse("a"), fuse("b"));
    let call = tokio::spawn(async move {
        let list = Fallbacks::new()
            .alternative(&backup, || async {
                tokio::task::yield_now().await;
                Lonely::Ok(Cell::new(2))
            })
            .or_default(|_| Cell::new(3));
        primary.run_chain(|| async { Lonely::Err(Cell::new("down")) }, list).await
    });
    let answer = call.await.expect("no panic").expect("an answer");
    assert_eq!((answer.value.get(), answer.source), (2, Source::Alternative));
}
