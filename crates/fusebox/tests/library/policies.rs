//! Bulkheads, rate limits, hedges and endpoints through the library's drivers.

use fusebox::balancer::{self, Spec};
use fusebox::breaker::State;
use fusebox::bulkhead;
use fusebox::hedge::{self, After};
use fusebox::limiter;
use fusebox::pipeline::{FallbackOn, Order};
use fusebox::test::{Diary, Script};
use fusebox::{Ask, Clock, Error, Fuse, FuseBuilder, Priority, Reason, retry};
use futures::future::join_all;
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn paused(name: &'static str) -> FuseBuilder {
    Fuse::builder(name).clock(Clock::tokio())
}

fn places(max_concurrent: u64, max_queue: u32, max_wait: u64) -> bulkhead::Config {
    bulkhead::Config { max_concurrent, max_queue, max_wait: ms(max_wait), ..bulkhead::Config::default() }
}

fn reason<T, E>(result: Result<T, Error<E>>) -> Option<Reason> {
    match result {
        Err(Error::Rejected(rejected)) => Some(rejected.reason),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_once_than_there_are_places_and_the_queue_is_served() {
    let fuse = paused("a").bulkhead(places(3, 5, 1_000)).build().expect("works");
    let script = Script::new().answers(ms(10), Ok::<_, String>(()));
    let results = join_all((0..10).map(|_| fuse.run(|| script.call()))).await;
    let refused = results.into_iter().filter_map(reason).collect::<Vec<_>>();
    assert_eq!(refused, [Reason::BulkheadFull; 2], "three run, five wait");
    assert_eq!((script.executions(), script.most_in_flight()), (8, 3));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_the_queue_leaves_nothing_behind() {
    let fuse = paused("a").bulkhead(places(1, 5, 1_000)).build().expect("works");
    let script = Script::new().answers(ms(50), Ok::<_, String>(()));
    let first = fuse.run(|| script.call());
    let gone = tokio::time::timeout(ms(20), fuse.run(|| script.call()));
    let next = fuse.run(|| script.call());
    let (first, gone, next) = tokio::join!(first, gone, next);
    assert!(first.is_ok() && gone.is_err() && next.is_ok());
    assert_eq!((script.attempts(), script.cancelled()), (2, 0), "who left was never called");
}

#[tokio::test(start_paused = true)]
async fn what_matters_less_is_shed_first() {
    let config = bulkhead::Config { shares: bulkhead::Config::SHEDDING, ..places(10, 0, 0) };
    let fuse = paused("a").bulkhead(config).build().expect("works");
    let script = Script::new().answers(ms(50), Ok::<_, String>(()));
    let asks = [Priority::Low, Priority::Critical].map(|priority| Ask { priority, ..Ask::default() });
    let calls = [asks[0]; 8].into_iter().chain([asks[1]; 6]);
    let handles: Vec<_> = calls.map(|ask| (ask, fuse.asking(ask))).collect();
    let results = join_all(handles.iter().map(|(_, call)| call.run(|| script.call()))).await;
    let shed: Vec<_> =
        handles.iter().zip(results).filter_map(|((ask, _), r)| Some((ask.priority, reason(r)?))).collect();
    let low = shed.iter().filter(|(priority, _)| *priority == Priority::Low).count();
    assert_eq!(
        (low, shed.len()),
        (3, 4),
        "five of ten places are Low's, the other five go to Critical: {shed:?}"
    );
}

#[test]
fn threads_queue_for_places_too() {
    let fuse = Fuse::builder("a").bulkhead(places(2, 8, 10_000)).build_blocking().expect("works");
    let (most, now) = (std::sync::atomic::AtomicU64::new(0), std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let called = fuse.call(|| {
                        use std::sync::atomic::Ordering::SeqCst;
                        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, SeqCst);
                        Ok::<_, String>(())
                    });
                    called.expect("there is room in the queue");
                }
            });
        }
    });
    assert!(most.into_inner() <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_spaces_the_calls_it_lets_wait() {
    let config = limiter::Config { permits: 10, burst: 1, max_wait: ms(250), ..limiter::Config::default() };
    let fuse = paused("a").rate_limiter(config).build().expect("works");
    let began = Clock::tokio().now();
    let script = Script::new().answers(ms(0), Ok::<_, String>(()));
    let ends = join_all((0..5).map(|_| async {
        let result = fuse.run(|| script.call()).await;
        (reason(result), Clock::tokio().now().since(began).as_millis() / 10 * 10)
    }));
    let ends = ends.await;
    assert_eq!(ends[..3], [(None, 0), (None, 100), (None, 200)]);
    assert_eq!(ends[3..], [(Some(Reason::RateLimited), 0); 2]);
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_wins_and_the_loser_is_dropped() {
    let hedge = hedge::Config { after: After::Fixed(ms(100)), ..hedge::Config::default() };
    let fuse = paused("a").hedge(hedge).build().expect("works");
    let script = Script::new().hangs().answers(ms(20), Ok::<_, String>(7));
    let began = Clock::tokio().now();
    assert_eq!(fuse.run(|| script.call()).await, Ok(7));
    assert_eq!(Clock::tokio().now().since(began).as_millis() / 10, 12);
    assert_eq!((script.attempts(), script.executions(), script.cancelled()), (2, 1, 1));
    assert_eq!(fuse.circuit().snapshot().totals.success, 1);
}

#[tokio::test(start_paused = true)]
async fn when_both_end_at_once_the_good_one_is_the_answer() {
    let hedge = hedge::Config { after: After::Fixed(ms(50)), ..hedge::Config::default() };
    for results in [[Ok(1), Err("bad")], [Err("bad"), Ok(1)]] {
        let fuse = paused("a").hedge(hedge).build().expect("works");
        let script = Script::new().answers(ms(100), results[0]).answers(ms(50), results[1]);
        assert_eq!(fuse.run(|| script.call()).await, Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_endpoint_and_a_dead_one_is_passed_over() {
    let endpoints = ["bad:80", "good:80"].map(Spec::named);
    let fuse = paused("a").endpoints(endpoints).order(Order::RetryOutside).retry(retry::Config::default());
    let fuse = fuse.build().expect("works");
    let diary = Diary::default();
    fuse.circuits().for_each(|circuit| diary.follow(circuit));
    for _ in 0..40 {
        let answer = fuse.run_at(|endpoint| {
            let good = endpoint == "good:80";
            async move { if good { Ok(()) } else { Err("down") } }
        });
        assert_eq!(answer.await, Ok(()), "no caller notices");
    }
    assert_eq!(diary.changes(), ["a/bad:80: closed > open"]);
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_stay_keep_their_circuits() {
    let fuse = paused("a").endpoints(["x", "y"].map(Spec::named)).build().expect("works");
    for _ in 0..40 {
        let _ = fuse.run_at(|to| std::future::ready(if to == "x" { Err("down") } else { Ok(()) })).await;
    }
    let changed = fuse.with_endpoints(["z", "x"].map(Spec::named)).expect("works");
    let states: Vec<_> = changed.circuits().map(|c| (c.name().to_string(), c.state())).collect();
    assert_eq!(states, [("a/z".into(), State::Closed), ("a/x".into(), State::Open)]);
    assert!(fuse.with_endpoints([]).is_err());
    let alone = paused("b").build().expect("works");
    let refused = alone.with_endpoints([Spec::named("x")]).expect_err("it has none");
    assert_eq!(
        refused.to_string(),
        "use endpoints = a pipeline built without any: a pipeline built with endpoints is accepted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_deadline_ends_the_call() {
    let fuse = paused("a").build().expect("works");
    let script = Script::<(), String>::new().hangs();
    let asking = fuse.asking(Ask::default()).due_in(ms(30));
    assert_eq!(asking.run(|| script.call()).await, Err(Error::DeadlineExceeded));
    assert_eq!(fuse.circuit().snapshot().totals.failure, 0, "30 ms say nothing against it");
}

#[test]
fn two_pipelines_share_a_bulkhead() {
    let both = std::sync::Arc::new(bulkhead::Bulkhead::new(places(1, 0, 0).check().expect("works")));
    let outer = Fuse::builder("a").bulkhead(both.clone()).build_blocking().expect("works");
    let inner = Fuse::builder("b").bulkhead(both).build_blocking().expect("works");
    let nested = outer.call(|| Ok::<_, String>(reason(inner.call(|| Ok::<_, String>(())))));
    assert_eq!(nested, Ok(Some(Reason::BulkheadFull)));
}

#[tokio::test(start_paused = true)]
async fn a_policy_stands_alone_where_no_circuit_is_wanted() {
    let fuse =
        paused("quota").bulkhead(places(1, 0, 0)).timeout(ms(50)).without_breaker().build().expect("works");
    assert_eq!(fuse.pipeline().describe(), "Fallback › Bulkhead › Timeout");
    let broken = Script::new().answers(ms(1), Err::<(), _>("down"));
    for _ in 0..100 {
        assert_eq!(fuse.run(|| broken.call()).await, Err(Error::Failed("down")), "nothing opens");
    }
    let slow = Script::new().answers(ms(60), Ok::<_, String>(()));
    let (first, second) = tokio::join!(fuse.run(|| slow.call()), fuse.run(|| slow.call()));
    assert_eq!(first, Err(Error::TimedOut));
    let Err(Error::Rejected(rejected)) = second else { panic!("one place") };
    assert_eq!((&*rejected.circuit, rejected.reason), ("quota", Reason::BulkheadFull));
    assert_eq!(fuse.circuit().snapshot().totals, fusebox::breaker::Totals::default(), "it is never asked");
}

#[test]
fn settings_of_a_circuit_that_is_not_wanted_are_refused() {
    let wrong = Fuse::builder("a").preset(fusebox::breaker::Preset::Seed).without_breaker().build();
    let wrong = wrong.expect_err("one or the other").to_string();
    assert_eq!(wrong, "use breaker = settings or a circuit: none beside without_breaker is accepted");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let wrong = Fuse::builder("a")
        .bulkhead(places(0, 0, 0))
        .rate_limiter(limiter::Config { permits: 0, ..limiter::Config::default() })
        .balancer(balancer::Config { spill_over: 7.0, ..balancer::Config::default() })
        .fallback_on(FallbackOn::Rejected)
        .build()
        .expect_err("it cannot work");
    let fields: Vec<_> = wrong.0.iter().map(|error| error.field).collect();
    assert_eq!(fields, ["permits", "max_concurrent", "spill_over"]);
}

#[test]
fn a_blocking_test_needs_no_sleep() {
    let (clock, hand) = Clock::manual();
    let fuse = Fuse::builder("a").clock(clock).build_blocking().expect("works");
    let script = Script::new().answers(Duration::from_secs(6), Ok::<_, String>(1));
    assert_eq!(fuse.call(|| script.call_at(&hand)), Ok(1));
    assert_eq!(fuse.circuit().snapshot().totals.slow, 1);
}
