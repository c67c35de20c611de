//! What is shared through Redis.

use crate::server::{RedisServer, Reply};
use crate::{FRESH, STALE, asked, behind, cached, codec, day, front, pages, redis_at, stale};
use fusebox::cache::{Candidate, Codec, Key, Redis};
use fusebox::outcome::Source;
use fusebox::{Answer, BlockingFuse, Clock, Error, Fallbacks, Fuse};
use std::time::Duration;

#[tokio::test]
async fn another_process_serves_what_this_one_kept_at_its_age() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server).time_of_day(|| day(0)));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let (there, _, hand) = behind(redis_at(&server).time_of_day(|| day(90)));
    let age = Duration::from_secs(90);
    let expected = Answer { value: "one".to_owned(), source: Source::Stale { age } };
    assert_eq!(asked(&there, front()).await, Ok(expected));
    let snapshot = there.snapshot();
    assert_eq!((snapshot.l2_hits, snapshot.l2_misses, snapshot.l2_errors), (1, 0, 0));
    assert_eq!((snapshot.misses, snapshot.entries), (1, 1));
    hand.advance(Duration::from_secs(10));
    assert_eq!(there.look(&front()), stale("one", 100), "it is kept here now, and grows older here");
    hand.advance(FRESH + STALE - Duration::from_secs(100));
    assert_eq!(there.look(&front()), None);
    assert_eq!(
        there.look_further(&front()).await,
        stale("one", 90),
        "by the clock of the wall it is younger"
    );
}

#[test]
fn blocking_code_looks_there_too_without_a_runtime() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let (there, ..) = behind(redis_at(&server));
    let fuse: BlockingFuse = Fuse::builder("pages").build_blocking().expect("the settings work");
    let answer = fuse.call_chain(|| Err::<String, _>("down"), Fallbacks::new().cached(&there, front()));
    assert_eq!(answer, Ok(Answer { value: "one".into(), source: Source::Cached }));
    assert_eq!(there.look(&front()), cached("one"));
}

#[tokio::test]
async fn it_is_asked_when_the_call_has_failed_and_not_before() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let (clock, _hand) = Clock::manual();
    let level = redis_at(&server).start().expect("a thread");
    let there = pages(&clock).read_through(true).second_level(level, codec()).build().expect("works");
    let fuse = Fuse::builder("pages").build().expect("works");
    let answer = fuse.run_chain(
        || std::future::ready(Ok::<String, &str>("live".into())),
        Fallbacks::new().cached(&there, front()),
    );
    assert_eq!(answer.await, Ok(Answer { value: "live".into(), source: Source::Live }));
    assert_eq!(there.snapshot().l2_hits, 0);
}

#[tokio::test]
async fn nobody_sees_another_callers_answer_not_even_under_its_name() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    here.store(Key::of("ann", 1), "ann's".into()).expect("kept");
    here.flush(crate::PATIENT);
    let anns = server.keys();
    here.store(Key::of("bob", 1), "bob's".into()).expect("kept");
    here.flush(crate::PATIENT);
    let both = server.keys();
    let bobs = both.iter().find(|key| !anns.contains(key)).expect("another name");
    let (there, ..) = behind(redis_at(&server));
    for other in [front(), Key::of("ann", 2), Key::of("", 1), Key::of("anna", 1)] {
        assert_eq!(there.look_further(&other).await, None, "{other:?}");
    }
    // As if the two names were one.
    server.ask(&[b"COPY", anns[0].as_bytes(), bobs.as_bytes(), b"REPLACE"]);
    assert_eq!(there.look_further(&Key::of("bob", 1)).await, None);
    assert_eq!(there.look_further(&Key::of("ann", 1)).await, cached("ann's"));
    assert_eq!((there.snapshot().l2_hits, there.snapshot().l2_errors), (1, 0), "a miss is no error");
}

#[tokio::test]
async fn prefixes_part_those_who_share_a_redis() {
    let server = RedisServer::start();
    let at = |prefix: &'static str| {
        let redis = Redis::at(server.url().parse().expect("an address")).expect("TCP").prefix(prefix);
        fusebox::cache::Level::builder(redis).timeout(crate::PATIENT)
    };
    let (here, ..) = behind(at("a:"));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let (other, ..) = behind(at("b:"));
    assert_eq!(other.look_further(&front()).await, None);
    assert!(server.keys().iter().all(|key| key.starts_with("a:") && key.len() < 40), "{:?}", server.keys());
}

#[tokio::test]
async fn an_entry_is_gone_from_redis_when_it_has_expired() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let key = server.keys().remove(0);
    let Reply::Number(left) = server.ask(&[b"PTTL", key.as_bytes()]) else { panic!("a time") };
    assert!((3_600_000..=3_660_000).contains(&left), "an hour and a minute, and not {left} ms");
    let brief = Candidate {
        fresh_for: Some(Duration::ZERO),
        stale_for: Some(Duration::from_millis(50)),
        ..Candidate::default()
    };
    here.store_as(front(), "two".into(), &brief).expect("kept");
    here.flush(crate::PATIENT);
    crate::eventually("PX to be over", || server.keys().is_empty());
    let endless = Candidate { stale_for: Some(Duration::MAX), ..Candidate::default() };
    here.store_as(front(), "three".into(), &endless).expect("kept");
    here.flush(crate::PATIENT);
    let Reply::Number(left) = server.ask(&[b"PTTL", key.as_bytes()]) else { panic!("a time") };
    assert!(left <= 7 * 86_400_000, "a week at most");
}

#[tokio::test]
async fn what_is_forgotten_here_is_forgotten_there() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    let (there, ..) = behind(redis_at(&server));
    here.store(front(), "one".into()).expect("kept");
    here.forget(&front());
    assert_eq!(here.look_further(&front()).await, None, "at once, for who forgot it");
    here.flush(crate::PATIENT);
    assert_eq!(server.keys(), [""; 0]);
    assert_eq!(there.look_further(&front()).await, None);
    here.store(front(), "two".into()).expect("kept");
    here.flush(crate::PATIENT);
    assert_eq!(there.look_further(&front()).await, cached("two"), "what comes after stays");
    here.clear();
    assert_eq!(here.look_further(&front()).await, None, "cleared is cleared");
}

/// Pages by tens: all of one ten are forgotten together.
struct Tens;

impl Codec<u32, String> for Tens {
    fn scope(&self, scope: &std::sync::Arc<str>) -> Vec<u8> {
        scope.as_bytes().into()
    }

    fn key(&self, key: &u32) -> Vec<u8> {
        key.to_be_bytes().into()
    }

    fn group(&self, key: &u32) -> Option<Vec<u8>> {
        Some((key / 10).to_be_bytes().into())
    }

    fn encode(&self, value: &String) -> Option<Vec<u8>> {
        Some(value.clone().into())
    }

    fn decode(&self, _: &u32, bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.into()).ok()
    }
}

#[tokio::test]
async fn a_group_is_forgotten_for_every_caller_and_process_and_can_be_filled_again() {
    let server = RedisServer::start();
    let new = || {
        let level = redis_at(&server).start().expect("a thread");
        pages(&Clock::manual().0).second_level(level, Tens).build().expect("works")
    };
    let here = new();
    let all = [Key::shared(11), Key::of("ann", 12), Key::of("bob", 11), Key::shared(21)];
    for key in all.clone() {
        here.store(key, "old".into()).expect("kept");
    }
    here.flush(crate::PATIENT);
    for key in &all {
        assert_eq!(new().look_further(key).await, cached("old"));
    }
    here.forget_group(&1_u32.to_be_bytes());
    here.flush(crate::PATIENT);
    let there = new();
    for (key, expected) in all.iter().zip([None, None, None, cached("old")]) {
        assert_eq!(there.look_further(key).await, expected, "{key:?}");
    }
    here.store(Key::shared(11), "new".into()).expect("kept");
    here.flush(crate::PATIENT);
    assert_eq!(there.look_further(&Key::shared(11)).await, cached("new"));
    assert_eq!(there.look_further(&Key::of("bob", 11)).await, None);
}

#[tokio::test]
async fn without_an_answer_anywhere_the_call_has_its_own_error() {
    let server = RedisServer::start();
    let (there, ..) = behind(redis_at(&server));
    assert_eq!(asked(&there, front()).await, Err(Error::Failed("down")));
    assert_eq!((there.snapshot().l2_misses, there.snapshot().l2_hits), (1, 0));
}
