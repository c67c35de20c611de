//! A registry in virtual time, and its admin.

use fusebox::admin::{Admin, Answer, Asked, Peer};
use fusebox::balancer::{Balancer, Spec};
use fusebox::breaker::{Config, WaitInOpen, WaitStrategy};
use fusebox::bulkhead::Bulkhead;
use fusebox::hedge::Hedge;
use fusebox::pipeline::{self, FallbackOn};
use fusebox::telemetry::{QueueReader, QueueReplay, QueueStanding, Queues};
use fusebox::throttle::Throttle;
use fusebox::timeout::{self, Timeout};
use fusebox::{CircuitBreaker, Clock, Failure, ManualClock, Outcome, Registry};
use fusebox::{adaptive, balancer, bulkhead, hedge, retry, throttle};
use fusebox_core::Rng;
use fusebox_core::limiter::{self, RateLimiter};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) hand: ManualClock,
    pub(crate) admin: Admin,
}

impl Scene {
    /// At most `most` circuits; a few seconds have passed already.
    pub(crate) fn new(most: usize) -> Scene {
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::from_secs(100));
        let registry = Registry::with_clock(most, clock, Rng::seeded(1));
        let admin = Admin::new(registry.clone());
        Scene { registry, hand, admin }
    }

    /// A circuit that opens after ten failures in a row, for exactly 30 s.
    pub(crate) fn circuit(&self, name: &str) -> CircuitBreaker {
        let wait = WaitInOpen { strategy: WaitStrategy::Fixed(Duration::from_secs(30)), jitter: 0.0 };
        let config = Config { failure_rate: None, wait_in_open: wait, ..Config::default() };
        self.registry.circuit_with(name, &config).expect("a configuration that can work")
    }

    /// A pipeline with every policy there is.
    pub(crate) fn every_policy(&self) -> pipeline::Config {
        let now = self.registry.clock().now();
        let endpoints = [Spec::named("a:80"), Spec::named("b:80")];
        let limit = adaptive::Settings::default();
        let adaptive = timeout::Config::Adaptive {
            percentile: 0.99,
            factor: 2.0,
            min: Duration::from_millis(10),
            max: Duration::from_secs(5),
            start: Duration::from_secs(1),
            minimum_calls: 10,
        };
        pipeline::Config {
            rate_limiter: Some(Arc::new(RateLimiter::new(limiter::Settings::default()))),
            balancer: Some(Arc::new(Balancer::new(balancer::Settings::default(), &endpoints, now))),
            deadline: Some(Duration::from_secs(15)),
            throttle: Some(Arc::new(Throttle::new(throttle::Settings::default()))),
            bulkhead: Some(Arc::new(Bulkhead::adaptive(bulkhead::Settings::default(), limit, now))),
            retry: Some(retry::Settings::default()),
            hedge: Some(Arc::new(Hedge::new(hedge::Settings::default()))),
            pool: Some(Arc::new(Bulkhead::new(bulkhead::Settings::default()))),
            adaptive_timeout: Some(Arc::new(Timeout::new(adaptive.check().expect("settings that work")))),
            fallback: Some(FallbackOn::Failed),
            ..pipeline::Config::default()
        }
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.hand.advance(Duration::from_secs(secs));
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.admin.answer("GET", path)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!((answer.status, answer.content_type), (200, "application/json"), "{}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// The value of the one sample with this name and these labels.
    pub(crate) fn sample(&self, series: &str) -> f64 {
        let body = self.get("/metrics").body;
        let values: Vec<_> =
            body.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).collect();
        assert_eq!(values.len(), 1, "samples of {series} in\n{body}");
        values[0].parse().expect("a number")
    }
}

/// An order over the Unix socket.
pub(crate) fn post<'a>(target: &'a str, body: &'a str) -> Asked<'a> {
    let (peer, content_type) = (Peer::Unix, Some("application/json"));
    Asked { method: "POST", target, body: body.as_bytes(), content_type, peer, ..Asked::default() }
}

pub(crate) fn ask(admin: &Admin, asked: Asked<'_>) -> Answer {
    futures::executor::block_on(admin.respond(asked))
}

pub(crate) fn told(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// The value of a header.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| &**value)
}

/// Ten calls that end in `status 503`.
pub(crate) fn trip(circuit: &CircuitBreaker) {
    for _ in 0..10 {
        circuit.admit().expect("closed").settle(Outcome::Failure(Failure::Status(503)));
    }
}

/// Reads queues of these names as a process sees them that replays them: their circuits are probed.
pub(crate) fn queues_replayed<const N: usize>(names: [&'static str; N]) -> QueueReader {
    let replay = QueueReplay { gate: "probing", rate: 12.5, ceiling: 300.0 };
    let queue = move |name: &str| QueueStanding {
        name: name.into(),
        depth: [0, 2, 0, 0],
        bytes: 16,
        fill: 0.0,
        leased: 0,
        needs_check: 0,
        dead: 0,
        oldest_age: Duration::ZERO,
        paused: false,
        replay: Some(replay),
    };
    Arc::new(move || Queues { queues: names.map(queue).into(), ..Queues::default() })
}
