//! The cache as an item of a list.

use crate::{FRESH, Pages, SECOND, STALE, builder, built, front, pages, scene};
use fusebox::cache::{Candidate, Key};
use fusebox::fallback::Kind;
use fusebox::outcome::Source;
use fusebox::{Answer, Error, Failure, Fallbacks, Fuse, Verdict};
use std::future::ready;
use std::rc::Rc;

type Page = Result<String, &'static str>;

async fn ask(
    fuse: &Fuse,
    cache: &Pages,
    key: Key<u32>,
    live: Page,
) -> Result<Answer<String>, Error<&'static str>> {
    fuse.run_chain(|| ready(live.clone()), Fallbacks::new().cached(cache, key)).await
}

fn answered(value: &str, source: Source) -> Result<Answer<String>, Error<&'static str>> {
    Ok(Answer { value: value.into(), source })
}

#[tokio::test]
async fn a_live_answer_is_kept_and_stands_in_fresh_then_stale_then_not_at_all() {
    let (fuse, clock, hand) = scene();
    let cache = built(pages(&clock));
    assert_eq!(ask(&fuse, &cache, front(), Ok("one".into())).await, answered("one", Source::Live));
    hand.advance(FRESH - SECOND);
    assert_eq!(ask(&fuse, &cache, front(), Err("down")).await, answered("one", Source::Cached));
    hand.advance(SECOND);
    assert_eq!(ask(&fuse, &cache, front(), Err("down")).await, answered("one", Source::Stale { age: FRESH }));
    hand.advance(STALE);
    assert_eq!(ask(&fuse, &cache, front(), Err("down")).await, Err(Error::Failed("down")));
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.hits_fresh, snapshot.hits_stale, snapshot.misses, snapshot.stored), (1, 1, 1, 1));
    let fallbacks = fuse.fallbacks();
    assert_eq!((fallbacks.of(Kind::Cached).answered, fallbacks.of(Kind::Cached).nothing), (2, 1));
}

#[tokio::test]
async fn an_open_circuit_is_answered_from_the_cache_without_a_call() {
    let (fuse, clock, _hand) = scene();
    let cache = built(pages(&clock));
    cache.store(front(), "kept".into()).expect("kept");
    for _ in 0..5 {
        assert_eq!(ask(&fuse, &cache, front(), Err("down")).await, answered("kept", Source::Cached));
    }
    let totals = fuse.circuit().snapshot().totals;
    assert_eq!((totals.failure, totals.rejected), (3, 2));
}

#[tokio::test]
async fn without_read_through_every_call_goes_to_the_dependency() {
    let (fuse, clock, _hand) = scene();
    let cache = built(pages(&clock));
    for page in ["one", "two"] {
        assert_eq!(ask(&fuse, &cache, front(), Ok(page.into())).await, answered(page, Source::Live));
    }
    assert_eq!(ask(&fuse, &cache, front(), Err("down")).await, answered("two", Source::Cached));
    assert_eq!(fuse.circuit().snapshot().totals.success, 2);
}

#[tokio::test]
async fn one_caller_never_sees_anothers_answer() {
    let (fuse, clock, _hand) = scene();
    let cache = built(pages(&clock));
    let (ann, bob) = (Key::of("ann", 1), Key::of("bob", 1));
    assert_eq!(ask(&fuse, &cache, ann.clone(), Ok("ann's".into())).await, answered("ann's", Source::Live));
    for other in [bob, front(), Key::of("ann", 2), Key::of("", 1)] {
        assert!(cache.look(&other).is_none(), "{other:?}");
        let (fuse, _, _) = scene();
        assert_eq!(ask(&fuse, &cache, other, Err("down")).await, Err(Error::Failed("down")));
    }
    assert_eq!(ask(&fuse, &cache, ann, Err("down")).await, answered("ann's", Source::Cached));
}

#[tokio::test]
async fn a_private_answer_is_never_kept_for_everybody() {
    let (fuse, clock, _hand) = scene();
    let judged = pages(&clock)
        .cacheable(|_, page| Candidate { private: page.starts_with("my"), ..Candidate::default() });
    let cache = built(judged);
    for key in [front(), Key::of("ann", 1)] {
        assert!(ask(&fuse, &cache, key, Ok("my orders".into())).await.is_ok());
    }
    assert_eq!(cache.look(&front()), None);
    assert!(cache.look(&Key::of("ann", 1)).is_some());
    assert_eq!((cache.snapshot().stored, cache.snapshot().not_kept), (1, 1));
}

#[tokio::test]
async fn an_answer_that_is_a_failure_is_not_kept_and_is_answered_from_the_cache() {
    let (_, clock, _hand) = scene();
    let judge = |page: &Page| match page {
        Ok(page) if page.starts_with("500") => Verdict::failure(Failure::Status(500)),
        _ => Verdict::SUCCESS,
    };
    let fuse = builder(&clock).classify(judge).build().expect("the settings work");
    let cache = built(pages(&clock));
    for (live, expected, source) in
        [("good", "good", Source::Live), ("500 sorry", "good", Source::Cached), ("new", "new", Source::Live)]
    {
        let list = Fallbacks::new().cached(&cache, front());
        let answer = fuse.run_chain(|| ready(Page::Ok(live.into())), list).await;
        assert_eq!(answer, answered(expected, source));
    }
    assert_eq!(cache.snapshot().stored, 2);
}

#[tokio::test]
async fn code_of_the_user_that_panics_while_storing_takes_no_answer_away() {
    let (fuse, clock, _hand) = scene();
    for broken in [
        fusebox::cache::Cache::builder(|_: &u32, _: &String| panic!("weighs")).clock(clock.clone()),
        pages(&clock).cacheable(|_, _| panic!("judges")),
    ] {
        let cache = built(broken);
        assert_eq!(ask(&fuse, &cache, front(), Ok("live".into())).await, answered("live", Source::Live));
        assert_eq!((cache.snapshot().not_kept, cache.snapshot().entries), (1, 0));
    }
}

#[test]
fn blocking_calls_share_the_cache_with_async_ones() {
    let (clock, hand) = fusebox::Clock::manual();
    let fuse = builder(&clock).build_blocking().expect("the settings work");
    let cache = built(pages(&clock));
    let call = |live: Page| {
        fuse.call_chain(|| live.clone(), Fallbacks::new().cached(&cache, front()).or_default(|_| "-".into()))
    };
    assert_eq!(call(Err("down")), answered("-", Source::Default));
    assert_eq!(call(Ok("one".into())), answered("one", Source::Live));
    hand.advance(FRESH);
    assert_eq!(call(Err("down")), answered("one", Source::Stale { age: FRESH }));
}

#[tokio::test]
async fn what_an_alternative_answers_is_not_kept_as_the_dependencys_own() {
    let (fuse, clock, _hand) = scene();
    let (backup, cache) = (builder(&clock).build().expect("the settings work"), built(pages(&clock)));
    let list =
        Fallbacks::new().alternative(&backup, || ready(Page::Ok("other".into()))).cached(&cache, front());
    assert_eq!(list.kinds(), [Kind::Alternative, Kind::Cached]);
    let answer = fuse.run_chain(|| ready(Page::Err("down")), list).await;
    assert_eq!(answer, answered("other", Source::Alternative));
    assert_eq!((cache.snapshot().stored, cache.snapshot().misses), (0, 0), "it was not even asked");
}

#[test]
fn runtimes_of_one_thread_each_share_a_cache_and_keep_their_calls_to_themselves() {
    let (_, clock, _hand) = scene();
    let cache = built(pages(&clock));
    let asked = |live: &'static str| {
        let (clock, cache) = (clock.clone(), cache.clone());
        let on_a_thread = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime").block_on(async {
                let fuse = builder(&clock).build().expect("the settings work");
                // Neither the call nor its future can leave the thread.
                let page = Rc::new(live);
                let op = || {
                    let page = page.clone();
                    async move { if page.is_empty() { Err("down") } else { Ok(page.to_string()) } }
                };
                fuse.run_chain(op, Fallbacks::new().cached(&cache, front())).await
            })
        };
        std::thread::spawn(on_a_thread).join().expect("no panic")
    };
    assert_eq!(asked("one"), answered("one", Source::Live));
    assert_eq!(asked(""), answered("one", Source::Cached));
}
