//! One refresh in flight for an entry, and what a failed one leaves.

use crate::{FRESH, Pages, SECOND, built, front, pages, scene};
use fusebox::cache::{Candidate, NotKept, Read};
use fusebox::outcome::Source;
use fusebox::{Answer, Error, Fallbacks, Fuse};
use std::cell::Cell;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::yield_now;

type Page = Result<String, &'static str>;

/// A cache that is read first, and a stale page in it.
fn stale_scene() -> (Fuse, Pages, fusebox::ManualClock) {
    let (fuse, clock, hand) = scene();
    let cache = built(pages(&clock).read_through(true));
    cache.store(front(), "old".into()).expect("kept");
    hand.advance(FRESH);
    (fuse, cache, hand)
}

async fn ask(fuse: &Fuse, cache: &Pages, executions: &Cell<u32>, live: Page) -> (String, Source) {
    let list = Fallbacks::new().cached(cache, front());
    let op = || {
        executions.set(executions.get() + 1);
        ready(live.clone())
    };
    let Answer { value, source } = fuse.run_chain(op, list).await.expect("there is a stale page");
    (value, source)
}

#[tokio::test]
async fn a_fresh_answer_is_given_without_a_call() {
    let (fuse, clock, hand) = scene();
    let (cache, executions) = (built(pages(&clock).read_through(true)), Cell::new(0));
    assert_eq!(ask(&fuse, &cache, &executions, Ok("one".into())).await, ("one".into(), Source::Live));
    hand.advance(FRESH - SECOND);
    assert_eq!(ask(&fuse, &cache, &executions, Ok("two".into())).await, ("one".into(), Source::Cached));
    hand.advance(SECOND);
    assert_eq!(ask(&fuse, &cache, &executions, Ok("two".into())).await, ("two".into(), Source::Live));
    assert_eq!(ask(&fuse, &cache, &executions, Ok("three".into())).await, ("two".into(), Source::Cached));
    assert_eq!(executions.get(), 2);
    assert_eq!((cache.snapshot().refreshes, cache.snapshot().refresh_failures), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_callers_one_refreshes_and_the_others_have_the_stale_answer() {
    let (fuse, cache, _hand) = stale_scene();
    let executions = Arc::new(AtomicU32::new(0));
    let (start, hold) = (Arc::new(Barrier::new(100)), Arc::new(tokio::sync::Notify::new()));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (fuse, cache, executions) = (fuse.clone(), cache.clone(), executions.clone());
            let (start, hold) = (start.clone(), hold.clone());
            tokio::spawn(async move {
                start.wait().await;
                let op = || async {
                    executions.fetch_add(1, Relaxed);
                    hold.notified().await;
                    Page::Ok("new".into())
                };
                fuse.run_chain(op, Fallbacks::new().cached(&cache, front())).await
            })
        })
        .collect();
    // The refresh is held until all the others have been answered.
    while cache.snapshot().hits_stale < 100 {
        yield_now().await;
    }
    hold.notify_one();
    let (mut live, mut stale) = (0, 0);
    for caller in callers {
        match caller.await.expect("no panic").expect("an answer") {
            Answer { value, source: Source::Live } if value == "new" => live += 1,
            Answer { value, source: Source::Stale { age: FRESH } } if value == "old" => stale += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((live, stale, executions.load(Relaxed)), (1, 99, 1));
    assert_eq!(cache.look(&front()).map(|kept| kept.value), Some("new".into()));
    assert_eq!(fuse.circuit().snapshot().totals.success, 1);
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_stale_answer_and_nobody_tries_for_a_while() {
    let (fuse, cache, hand) = stale_scene();
    let executions = Cell::new(0);
    for _ in 0..10 {
        let (page, source) = ask(&fuse, &cache, &executions, Err("down")).await;
        assert_eq!((page.as_str(), source), ("old", Source::Stale { age: FRESH }));
    }
    assert_eq!(executions.get(), 1, "the others are within the wait after the failure");
    // The second wait is twice the first, with equal jitter: 1 to 2 s.
    for (secs, expected) in [(1, 2), (1, 2), (1, 3)] {
        hand.advance(Duration::from_secs(secs) - Duration::from_millis(2));
        ask(&fuse, &cache, &executions, Err("down")).await;
        hand.advance(Duration::from_millis(2));
        ask(&fuse, &cache, &executions, Err("down")).await;
        assert!(executions.get() <= expected, "{} calls", executions.get());
    }
    hand.advance(Duration::from_secs(30));
    assert_eq!(ask(&fuse, &cache, &executions, Ok("new".into())).await.0, "new");
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.refreshes, snapshot.refresh_failures + 1);
    assert_eq!((snapshot.evictions, snapshot.entries), (0, 1));
}

#[tokio::test]
async fn a_refresh_that_the_circuit_refuses_keeps_the_stale_answer() {
    let (fuse, cache, _hand) = stale_scene();
    for _ in 0..3 {
        fuse.run(|| ready(Err::<(), _>("down"))).await.expect_err("it fails");
    }
    let executions = Cell::new(0);
    assert_eq!(ask(&fuse, &cache, &executions, Ok("new".into())).await.0, "old");
    assert_eq!((executions.get(), cache.snapshot().refresh_failures), (0, 1));
}

#[tokio::test]
async fn a_caller_who_goes_away_hands_the_refresh_to_the_next() {
    let (fuse, cache, _hand) = stale_scene();
    {
        let list = Fallbacks::new().cached(&cache, front());
        let mut hung = std::pin::pin!(fuse.run_chain(std::future::pending::<Page>, list));
        assert!(futures::poll!(hung.as_mut()).is_pending());
        let executions = Cell::new(0);
        assert_eq!(ask(&fuse, &cache, &executions, Ok("new".into())).await.0, "old");
        assert_eq!(executions.get(), 0, "it is in flight");
    }
    let executions = Cell::new(0);
    assert_eq!(ask(&fuse, &cache, &executions, Ok("new".into())).await.0, "new");
    assert_eq!(executions.get(), 1);
    assert_eq!(cache.snapshot().refresh_failures, 0);
}

#[tokio::test]
async fn a_call_that_panics_is_a_refresh_that_failed() {
    let (fuse, cache, _hand) = stale_scene();
    let doomed = {
        let (fuse, cache) = (fuse.clone(), cache.clone());
        tokio::spawn(async move {
            let op = || -> std::future::Ready<Page> { panic!("in the call") };
            fuse.run_chain(op, Fallbacks::new().cached(&cache, front())).await
        })
    };
    assert!(doomed.await.expect_err("it goes on").is_panic());
    let executions = Cell::new(0);
    assert_eq!(ask(&fuse, &cache, &executions, Ok("new".into())).await.0, "old");
    assert_eq!((executions.get(), cache.snapshot().refresh_failures), (0, 1));
}

#[test]
fn flights_by_hand_work_without_a_runtime_and_land_only_what_may_be_kept() {
    let (_fuse, cache, _hand) = stale_scene();
    let Read::Refresh(flight) = cache.read(&front()) else { panic!("the first has the turn") };
    let Read::Kept(kept) = cache.read(&front()) else { panic!("the second has the stale page") };
    assert_eq!(kept.value, "old");
    let refused = flight.land_as("secret".into(), &Candidate { forbidden: true, ..Candidate::default() });
    assert_eq!(refused, Err(NotKept::Forbidden));
    assert_eq!(cache.look(&front()).map(|kept| kept.value), Some("old".into()));
    assert!(matches!(cache.read(&front()), Read::Kept(_)), "that was a failed refresh");
    assert!(matches!(cache.read(&fusebox::cache::Key::shared(2)), Read::Nothing));
}

#[tokio::test]
async fn with_nothing_kept_the_call_ends_as_it_would_have() {
    let (fuse, clock, _hand) = scene();
    let cache = built(pages(&clock).read_through(true));
    let list = Fallbacks::new().cached(&cache, front());
    let answer = fuse.run_chain(|| ready(Page::Err("down")), list).await;
    assert_eq!(answer, Err(Error::Failed("down")));
}
