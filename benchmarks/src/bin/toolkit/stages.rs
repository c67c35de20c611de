//! What a stage costs that is configured and idle: a walk through a pipeline with it, above a walk without.
//!
//! The base has a fallback and a breaker, since a breaker alone takes a shorter way through the flow. Each walk admits, makes
//! its attempt at once, is told of a success and settles; time is given and moves on by ten nanoseconds.

use crate::case::{Case, Kind};
use fusebox_core::balancer::{self, Balancer, Spec, Strategy, Tried};
use fusebox_core::breaker::{self, CircuitBreaker};
use fusebox_core::bulkhead::{self, Bulkhead, Entry};
use fusebox_core::flow::{Cx, Flow, Step};
use fusebox_core::hedge::{self, After, Hedge};
use fusebox_core::limiter::{self, RateLimiter};
use fusebox_core::pipeline::{Config, FallbackOn, Pipeline};
use fusebox_core::throttle::{self, Throttle};
use fusebox_core::timeout::{self, Timeout};
use fusebox_core::{Ask, Outcome, Priority, Rng, SharedRng, Time, Verdict, retry};
use std::hint::black_box;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The most that an idle stage may add.
const STAGE: Kind = Kind::Stage(15);
const STEP: u64 = 10;
const START: Time = Time::from_secs(1);

fn circuit() -> CircuitBreaker {
    let settings = breaker::Config::default().check(None).expect("the default works");
    CircuitBreaker::new(settings, Rng::seeded(1), START)
}

fn base() -> Config {
    Config { fallback: Some(FallbackOn::Failed), ..Config::default() }
}

/// So much that nothing is ever refused or made to wait.
fn plenty() -> Arc<RateLimiter> {
    let quota =
        limiter::Config { permits: 1_000_000_000, burst: 1_000_000_000, ..limiter::Config::default() };
    Arc::new(RateLimiter::new(quota.check().expect("it works")))
}

fn places() -> Arc<Bulkhead> {
    Arc::new(Bulkhead::new(bulkhead::Settings::default()))
}

fn throttle() -> Arc<Throttle> {
    Arc::new(Throttle::new(throttle::Settings::default()))
}

fn adaptive() -> Arc<Timeout> {
    Arc::new(Timeout::new(timeout::Config::ADAPTIVE.check().expect("it works")))
}

fn hedge() -> Arc<Hedge> {
    let after = After::Fixed(Duration::from_secs(5));
    Arc::new(Hedge::new(hedge::Config { after, ..hedge::Config::default() }.check().expect("it works")))
}

fn balancer(strategy: Strategy, endpoints: usize) -> Balancer {
    let config = balancer::Config { strategy, ..balancer::Config::default() };
    let specs: Vec<_> = (0..endpoints).map(|i| Spec::named(&format!("e{i}"))).collect();
    Balancer::new(config.check().expect("it works"), &specs, START)
}

/// Every stage above the base, then the policies by themselves.
pub(crate) fn all() -> Vec<Case> {
    let second = Some(Duration::from_secs(1));
    let mut cases = vec![
        walk("breaker alone", Kind::Alone(None), Config::default()),
        walk("fallback and breaker", Kind::Base, base()),
        walk("rate limiter", STAGE, Config { rate_limiter: Some(plenty()), ..base() }),
        walk("deadline", STAGE, Config { deadline: second, ..base() }),
        walk("throttle", STAGE, Config { throttle: Some(throttle()), ..base() }),
        walk("bulkhead", STAGE, Config { bulkhead: Some(places()), ..base() }),
        walk("retry with its budget", STAGE, Config { retry: Some(retry::Settings::default()), ..base() }),
        walk("hedge", STAGE, Config { hedge: Some(hedge()), ..base() }),
        walk("timeout", STAGE, Config { timeout: second, ..base() }),
        walk("adaptive timeout", STAGE, Config { adaptive_timeout: Some(adaptive()), ..base() }),
        balanced("balancer, in turn over 2", STAGE, Strategy::RoundRobin, 2),
        balanced("balancer, P2C over 2", Kind::Stage(60), Strategy::P2c, 2),
    ];
    cases.extend(alone());
    cases
}

fn walk(title: &str, kind: Kind, config: Config) -> Case {
    walk_at(title, kind, config, vec![circuit()])
}

fn balanced(title: &str, kind: Kind, strategy: Strategy, endpoints: usize) -> Case {
    let config = Config { balancer: Some(Arc::new(balancer(strategy, endpoints))), ..base() };
    walk_at(title, kind, config, (0..endpoints).map(|_| circuit()).collect())
}

struct Circuits(Vec<CircuitBreaker>);

impl fusebox_core::flow::Circuits for Circuits {
    #[inline(always)]
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker {
        &self.0[endpoint]
    }
}

fn walk_at(title: &str, kind: Kind, config: Config, circuits: Vec<CircuitBreaker>) -> Case {
    let (pipeline, circuits) = (Pipeline::new(config), Circuits(circuits));
    let (rng, mut now) = (SharedRng::new(Rng::seeded(2)), START);
    Case::new(title, kind, move |times| {
        for _ in 0..times {
            now = now.plus_nanos(STEP);
            let cx = Cx { now, rng: &rng, waker: Waker::noop() };
            let mut flow = Flow::new(true);
            let Step::Call(attempt) = flow.next(&pipeline, &circuits, &cx) else {
                panic!("it is let through")
            };
            flow.told(attempt, black_box(Verdict::SUCCESS));
            let Step::Finish(finish) = flow.next(&pipeline, &circuits, &cx) else { panic!("it is over") };
            black_box(finish);
        }
    })
}

/// Policies without a flow.
fn alone() -> Vec<Case> {
    let told = |title: &str, target: Option<u64>, mut each: Box<dyn FnMut(Time)>| {
        let mut now = START;
        Case::new(title, Kind::Alone(target), move |times| {
            for _ in 0..times {
                now = now.plus_nanos(STEP);
                each(now);
            }
        })
    };
    let (limiter, bulkhead, throttle) = (plenty(), places(), throttle());
    let (adaptive, hedge, rng) = (adaptive(), hedge(), SharedRng::new(Rng::seeded(3)));
    let mut cases = vec![
        told(
            "rate limiter: admit",
            None,
            Box::new(move |now| {
                black_box(limiter.admit(0, now, now).is_ok());
            }),
        ),
        told(
            "bulkhead: enter and leave",
            None,
            Box::new(move |now| {
                let Entry::Placed(place) = bulkhead.enter(Ask::default(), now, now, Waker::noop()) else {
                    return;
                };
                bulkhead.leave(place, Outcome::Success, now);
            }),
        ),
        told(
            "throttle: admit and settle",
            None,
            Box::new(move |now| {
                let _ = black_box(throttle.admit(Priority::Normal, &rng, now));
                throttle.settle(Outcome::Success, now);
            }),
        ),
        told(
            "hedge: first try and delay",
            None,
            Box::new(move |now| {
                hedge.first_try(now);
                black_box(hedge.delay(now));
            }),
        ),
        told(
            "adaptive timeout: span and record",
            None,
            Box::new(move |now| {
                black_box(adaptive.span(now));
                adaptive.record(1_000_000, Outcome::Success, now);
            }),
        ),
    ];
    for (name, strategy, target) in [
        ("in turn", Strategy::RoundRobin, None),
        ("P2C", Strategy::P2c, Some(60)),
        ("least requests", Strategy::LeastRequests, None),
    ] {
        let (fleet, rng) = (balancer(strategy, 100), SharedRng::new(Rng::seeded(4)));
        let circuits = Circuits((0..100).map(|_| circuit()).collect());
        cases.push(told(
            &format!("pick among 100 endpoints, {name}"),
            target,
            Box::new(move |now| {
                let picked = fleet.pick(Tried::default(), &circuits, &rng, now).expect("all are fit");
                fleet.give_back(picked);
            }),
        ));
    }
    cases
}
