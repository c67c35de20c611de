//! Answers in place of the dependency's.

use crate::{three_strikes, totals};
use fusebox::outcome::Source;
use fusebox::pipeline::FallbackOn;
use fusebox::{Answer, BlockingFuse, Clock, Error, Failure, Fuse, FuseBuilder, Nested, Verdict};
use std::future::ready;
use std::time::Duration;

fn builder() -> FuseBuilder {
    Fuse::builder("a").breaker(three_strikes()).clock(Clock::tokio())
}

fn blocking(builder: FuseBuilder) -> BlockingFuse {
    builder.build_blocking().expect("the settings work")
}

#[test]
fn the_fallback_is_told_the_cause_and_the_answer_says_where_it_came_from() {
    let fuse = blocking(builder().clock(Clock::manual().0));
    let live = fuse.call_or_else(|| Ok::<_, String>(1), |_| 0);
    assert_eq!(live, Ok(Answer { value: 1, source: Source::Live }));
    let mut causes = Vec::new();
    for _ in 0..4 {
        let answer = fuse.call_or_else(
            || Err(String::from("down")),
            |cause| {
                causes.push(cause.clone());
                2
            },
        );
        assert_eq!(answer, Ok(Answer { value: 2, source: Source::Default }));
    }
    assert_eq!(
        causes[..3],
        [const { Error::Failed(String::new()) }; 3].map(|_| Error::Failed("down".into()))
    );
    assert!(causes[3].is_rejected(), "{:?}", causes[3]);
}

#[test]
fn told_to_it_answers_rejections_only() {
    let fuse = blocking(builder().clock(Clock::manual().0).fallback_on(FallbackOn::Rejected));
    for _ in 0..3 {
        assert_eq!(fuse.call_or_else(|| Err("down"), |_| 2), Err(Error::Failed("down")));
    }
    let answer = fuse.call_or_else(|| Err("down"), |_| 2);
    assert_eq!(answer, Ok(Answer { value: 2, source: Source::Default }));
}

#[test]
fn what_is_no_failure_keeps_its_error() {
    let verdicts = |result: &Result<u32, u32>| match result {
        Err(404) => Verdict::SUCCESS,
        Err(499) => Verdict::IGNORED,
        Err(_) => Verdict::failure(Failure::Error),
        Ok(_) => Verdict::SUCCESS,
    };
    let fuse = builder().clock(Clock::manual().0).classify(verdicts).build_blocking();
    let fuse = fuse.expect("the settings work");
    for code in [404, 499] {
        assert_eq!(fuse.call_or_else(|| Err(code), |_| 0), Err(Error::Failed(code)));
    }
    assert!(fuse.call_or_else(|| Err(500), |_| 0).is_ok());
    let totals = totals(fuse.circuit());
    assert_eq!((totals.success, totals.ignored, totals.failure), (1, 1, 1));
}

#[test]
fn the_refusal_of_a_circuit_inside_is_answered_and_counts_nowhere() {
    let ((inner, _), on) = (crate::open_circuit("inner"), FallbackOn::Rejected);
    let fuse = builder().clock(Clock::manual().0).fallback_on(on).classify(Nested).build_blocking();
    let fuse = fuse.expect("the settings work");
    for _ in 0..10 {
        let answer = fuse.call_or_else(|| inner.call(|| Ok::<_, String>(1)), |_| 2);
        assert_eq!(answer, Ok(Answer { value: 2, source: Source::Default }));
    }
    let totals = totals(fuse.circuit());
    assert_eq!((totals.ignored, totals.failure, totals.success), (10, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_deadlines_fall_back_with_their_cause() {
    async fn cause_of(fuse: FuseBuilder) -> Option<Error<String>> {
        let (fuse, mut told) = (fuse.build().expect("the settings work"), None);
        let hang = || std::future::pending::<Result<u32, String>>();
        let answer = fuse.run_or_else(hang, |cause| {
            told = Some(cause.clone());
            3
        });
        assert_eq!(answer.await, Ok(Answer { value: 3, source: Source::Default }));
        told
    }
    let second = Duration::from_secs(1);
    assert_eq!(cause_of(builder().timeout(second)).await, Some(Error::TimedOut));
    assert_eq!(cause_of(builder().deadline(second)).await, Some(Error::DeadlineExceeded));
    let fuse = builder().build().expect("the settings work");
    let live = fuse.run_or_else(|| ready(Ok::<_, String>(1)), |_| 0).await;
    assert_eq!(live.map(|answer| answer.source), Ok(Source::Live));
}

#[test]
fn a_blocking_pipeline_refuses_what_would_have_to_interrupt_it() {
    let second = Duration::from_secs(1);
    let refused = builder().timeout(second).deadline(second * 5).build_blocking().expect_err("it cannot");
    assert_eq!(
        refused.to_string(),
        "use timeout = 1s: none without a thread pool, since nothing can interrupt a blocking call, is accepted; \
         use deadline = 5s: none without a thread pool, since nothing can interrupt a blocking call, is accepted"
    );
}

#[test]
fn a_fallback_that_panics_is_counted_and_the_result_stands() {
    let fuse = Fuse::builder("a").build_blocking().expect("works");
    let answered = fuse.call_or_else(|| Err::<u8, _>("down"), |_| panic!("no answer"));
    assert!(matches!(answered, Err(Error::Failed("down"))), "{answered:?}");
    let seen = fuse.fallback_counters().snapshot();
    assert!(format!("{seen:?}").contains("panicked: 1"), "{seen:?}");
}

#[test]
fn a_classifier_that_panics_is_counted_and_the_result_speaks_for_itself() {
    let broken = |_: &Result<u8, &str>| -> Verdict { panic!("cannot judge") };
    let fuse = Fuse::builder("a").classify(broken).build_blocking().expect("works");
    assert_eq!(fuse.call(|| Ok::<_, &str>(7)).expect("the result is the caller's"), 7);
    assert!(fuse.call(|| Err::<u8, _>("down")).is_err());
    let totals = fuse.circuit().snapshot().totals;
    assert_eq!((totals.success, totals.failure, totals.internal_faults), (1, 1, 2));
}
