//! Bytes that are no entry, and code of the user's that breaks.

use crate::server::RedisServer;
use crate::{behind, cached, front, pages, redis_at};
use fusebox::Clock;
use fusebox::breaker::State;
use fusebox::cache::{Encoded, Key, Level, Place, SecondLevel, Work, Write};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

#[tokio::test]
async fn what_is_no_entry_is_a_miss_and_is_counted_and_no_fault_of_the_server() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    here.store(front(), "one".into()).expect("kept");
    here.flush(crate::PATIENT);
    let key = server.keys().remove(0);
    let good = server.value(&key);
    let mut other_version = good.clone();
    other_version[16 + 3] = 2;
    let mut flipped = good.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    let circuit = fusebox::CircuitBreaker::new("l2");
    let (there, ..) = behind(redis_at(&server).circuit(circuit.clone()));
    let garbage: [&[u8]; 6] = [
        b"x",
        b"no entry, but long enough to be one, if it only were",
        &good[..good.len() - 1],
        &good[..20],
        &other_version,
        &flipped,
    ];
    for (number, bytes) in garbage.iter().enumerate() {
        server.ask(&[b"SET", key.as_bytes(), bytes]);
        assert_eq!(there.look_further(&front()).await, None, "{number}");
        assert_eq!(there.snapshot().l2_errors, number as u64 + 1);
    }
    server.ask(&[b"DEL", key.as_bytes()]);
    server.ask(&[b"LPUSH", key.as_bytes(), b"x"]);
    assert_eq!(there.look_further(&front()).await, None, "a list");
    assert_eq!(there.snapshot().l2_errors, 7);
    assert_eq!((circuit.state(), circuit.snapshot().totals.failure), (State::Closed, 0));
    server.ask(&[b"SET", key.as_bytes(), &good]);
    assert_eq!(there.look_further(&front()).await, cached("one"), "the bytes make the difference");
}

#[tokio::test]
async fn what_is_too_long_is_neither_written_nor_read() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server).max_entry_bytes(200));
    let long = "x".repeat(300);
    here.store(front(), long.clone()).expect("kept here");
    here.store(Key::shared(2), "short".into()).expect("kept");
    here.flush(crate::PATIENT);
    assert_eq!((server.keys().len(), here.snapshot().l2_dropped), (1, 1));
    assert_eq!(here.look(&front()), cached(&long));
    let (generous, ..) = behind(redis_at(&server));
    generous.store(front(), long.clone()).expect("kept");
    generous.flush(crate::PATIENT);
    assert_eq!(server.keys().len(), 2);
    let (there, ..) = behind(redis_at(&server).max_entry_bytes(200));
    assert_eq!(there.look_further(&front()).await, None);
    assert_eq!(there.look_further(&Key::shared(2)).await, cached("short"));
}

#[tokio::test]
async fn code_that_panics_costs_its_own_entry_and_nothing_else() {
    let server = RedisServer::start();
    let codec = || {
        Encoded::new(
            |id: &u32| id.to_be_bytes().to_vec(),
            |page: &String| {
                if page == "bad" { panic!("on purpose") } else { Some(page.clone().into_bytes()) }
            },
            |bytes| {
                if bytes == b"worse" { panic!("on purpose") } else { String::from_utf8(bytes.to_vec()).ok() }
            },
        )
    };
    let new = || {
        let level = redis_at(&server).start().expect("a thread");
        pages(&Clock::manual().0).second_level(level, codec()).build().expect("works")
    };
    let (here, there) = (new(), new());
    for (page, text) in [(1, "bad"), (2, "worse"), (3, "good")] {
        here.store(Key::shared(page), text.into()).expect("kept");
    }
    here.flush(crate::PATIENT);
    assert_eq!((server.keys().len(), here.snapshot().l2_dropped), (2, 1));
    assert_eq!(there.look_further(&Key::shared(2)).await, None);
    assert_eq!(there.look_further(&Key::shared(3)).await, cached("good"));
    assert_eq!(there.snapshot().l2_errors, 1);
}

/// A level that answers when it is told to.
struct Told {
    entries: Mutex<Vec<u8>>,
    asked: Notify,
    answers: Notify,
}

#[derive(Clone)]
struct ToldLevel(Arc<Told>);

impl SecondLevel for ToldLevel {
    fn get<'a>(&'a self, _: &'a Place, most: usize) -> Work<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            // The first try asks for nothing.
            if most == 0 {
                return Ok(None);
            }
            let found = self.0.entries.lock().expect("not poisoned").clone();
            self.0.asked.notify_one();
            self.0.answers.notified().await;
            Ok(Some(found))
        })
    }

    fn apply(&self, writes: Vec<Write>) -> Work<'_, ()> {
        for write in writes {
            if let Write::Put { bytes, .. } = write {
                *self.0.entries.lock().expect("not poisoned") = bytes;
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_read_is_no_answer_and_is_not_kept() {
    let told = Told { entries: Mutex::default(), asked: Notify::new(), answers: Notify::new() };
    let level = ToldLevel(Arc::new(told));
    let new = || behind(Level::builder(level.clone()).timeout(crate::PATIENT)).0;
    let here = new();
    here.store(front(), "old".into()).expect("kept");
    here.flush(crate::PATIENT);
    for forgets in [false, true] {
        let there = new();
        let (cache, key) = (there.clone(), front());
        let look = tokio::spawn(async move { cache.look_further(&key).await });
        level.0.asked.notified().await;
        if forgets {
            there.forget(&front());
            there.flush(crate::PATIENT);
        }
        level.0.answers.notify_one();
        let expected = if forgets { None } else { cached("old") };
        assert_eq!(look.await.expect("no panic"), expected, "forgotten meanwhile: {forgets}");
        assert_eq!(there.look(&front()), expected);
    }
}
