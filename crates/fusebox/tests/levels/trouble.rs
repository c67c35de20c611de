//! A Redis that is down, hangs, or comes back.

use crate::server::RedisServer;
use crate::{Lines, PATIENT, behind, cached, circuit, front, redis_at};
use fusebox::breaker::State;
use fusebox::cache::Key;
use fusebox::{CircuitBreaker, Clock};
use std::time::Duration;

/// What the circuit before Redis has seen: failures, and calls it refused.
fn seen(circuit: &CircuitBreaker) -> (u64, u64) {
    let totals = circuit.snapshot().totals;
    (totals.failure, totals.rejected)
}

#[tokio::test]
async fn a_redis_that_hangs_costs_its_timeout_until_its_circuit_opens_and_nothing_then() {
    let server = RedisServer::start();
    let (clock, hand) = Clock::manual();
    let (circuit, lines) = (circuit(&clock), Lines::default());
    let level = redis_at(&server).circuit(circuit.clone()).timeout(Duration::from_millis(30));
    let (here, ..) = behind(lines.hears(level));
    // The level tries the server when it starts.
    crate::eventually("the first try", || {
        let totals = circuit.snapshot().totals;
        totals.success + totals.failure > 0
    });
    server.hangs();
    // It hangs until long after they are over: nobody has waited for it.
    for page in 0..5 {
        assert_eq!(here.look_further(&Key::shared(page)).await, None);
    }
    assert_eq!((circuit.state(), seen(&circuit)), (State::Open, (5, 0)));
    assert_eq!(here.snapshot().l2_errors, 5);
    for page in 0..1_000 {
        assert_eq!(here.look_further(&Key::shared(page)).await, None);
    }
    assert_eq!(seen(&circuit), (5, 0), "not one of them was made, or had to be refused");
    let said = lines.all();
    assert_eq!(
        said,
        ["cache-redis: failed to have an answer of the second level within 30ms; goes on without it"]
    );
    server.wakes();
    crate::eventually("a write to go through", || {
        hand.advance(Duration::from_secs(60));
        here.store(front(), "back".into()).expect("kept");
        here.flush(PATIENT);
        circuit.state() == State::Closed
    });
    let (there, ..) = behind(redis_at(&server));
    assert_eq!(there.look_further(&front()).await, cached("back"));
}

#[tokio::test]
async fn a_redis_that_is_gone_is_a_miss_and_is_used_again_when_it_is_back() {
    let server = RedisServer::start();
    let (clock, hand) = Clock::manual();
    let circuit = circuit(&clock);
    let (here, ..) = behind(redis_at(&server).circuit(circuit.clone()));
    here.store(front(), "one".into()).expect("kept");
    here.flush(PATIENT);
    let port = server.port();
    drop(server);
    for page in 2..10 {
        assert_eq!(here.look_further(&Key::shared(page)).await, None);
        here.store(Key::shared(page), "kept here".into()).expect("whatever Redis does");
        assert_eq!(here.look(&Key::shared(page)), cached("kept here"));
    }
    here.flush(PATIENT);
    assert_eq!(circuit.state(), State::Open);
    let server = RedisServer::start_at(port).expect("the port is free again");
    crate::eventually("it is used again", || {
        hand.advance(Duration::from_secs(60));
        here.store(front(), "two".into()).expect("kept");
        here.flush(PATIENT);
        circuit.state() == State::Closed && server.keys().len() == 1
    });
    let (there, ..) = behind(redis_at(&server));
    assert_eq!(there.look_further(&front()).await, cached("two"));
}

#[tokio::test]
async fn a_writer_that_is_held_up_drops_and_counts_and_holds_nobody_up() {
    let server = RedisServer::start();
    let (here, ..) = behind(redis_at(&server));
    server.hangs();
    for page in 0..3_000 {
        here.store(Key::shared(page), "x".repeat(100)).expect("kept here");
    }
    let snapshot = here.snapshot();
    assert_eq!(snapshot.stored, 3_000);
    // Those that wait, and the batches that the writer has taken meanwhile.
    assert!((1_500..=1_976).contains(&snapshot.l2_dropped), "{} were dropped", snapshot.l2_dropped);
    let large = "x".repeat(900_000);
    let (heavy, ..) = behind(redis_at(&server));
    for page in 0..40 {
        heavy.store(Key::shared(page), large.clone()).expect("kept here");
    }
    assert!((15..=24).contains(&heavy.snapshot().l2_dropped), "18 of them wait: {:?}", heavy.snapshot());
}

#[tokio::test]
async fn a_redis_that_is_full_is_read_all_the_same() {
    let server = RedisServer::start();
    let circuit = CircuitBreaker::new("cache-redis");
    let (here, ..) = behind(redis_at(&server).circuit(circuit.clone()));
    here.store(front(), "one".into()).expect("kept");
    here.flush(PATIENT);
    server.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    for page in 2..40 {
        here.store(Key::shared(page), "kept here".into()).expect("whatever Redis does");
        here.flush(PATIENT);
    }
    let snapshot = here.snapshot();
    assert_eq!((snapshot.l2_dropped, snapshot.l2_errors), (38, 38));
    assert_eq!(circuit.state(), State::Closed);
    let (there, ..) = behind(redis_at(&server));
    assert_eq!(there.look_further(&front()).await, cached("one"));
}

#[tokio::test]
async fn what_could_not_be_forgotten_is_no_answer_and_is_forgotten_later() {
    let server = RedisServer::start();
    let level = || redis_at(&server).timeout(Duration::from_millis(300));
    let (here, ..) = behind(level());
    here.store(front(), "old".into()).expect("kept");
    here.flush(PATIENT);
    let key = server.keys().remove(0);
    server.hangs();
    here.forget(&front());
    here.flush(PATIENT);
    assert!(here.snapshot().l2_errors >= 1, "it could not");
    let asked = here.snapshot().l2_misses;
    assert_eq!(here.look_further(&front()).await, None);
    assert_eq!(here.snapshot().l2_misses, asked + 1, "without asking");
    server.wakes();
    crate::eventually("it to be forgotten", || !server.keys().contains(&key));
    here.store(front(), "new".into()).expect("kept");
    here.flush(PATIENT);
    let (there, ..) = behind(level().timeout(PATIENT));
    assert_eq!(there.look_further(&front()).await, cached("new"));
}

#[tokio::test]
async fn a_wrong_password_is_said_without_any_password() {
    let server = RedisServer::start();
    let url = server.url().replace("redis://", "redis://ann:s3cret@");
    let redis = fusebox::cache::Redis::at(url.parse().expect("an address")).expect("TCP");
    let lines = Lines::default();
    let level = fusebox::cache::Level::builder(redis).timeout(PATIENT);
    let (here, ..) = behind(lines.hears(level));
    assert_eq!(here.look_further(&front()).await, None);
    let said = lines.all().join("\n");
    assert!(said.to_lowercase().contains("auth") && !said.contains("s3cret"), "{said}");
}
