//! fusebox itself: the breaker told the time, the breaker with its clock, the handle, and the Tower layer.

use crate::subject::{AtOnce, Contender, Direct, Served, Setup, Subject, Traffic};
use fusebox::tower::CircuitBreakerLayer;
use fusebox::{Clock, Error};
use fusebox_benchmarks::machine::locked_version;
use fusebox_core::breaker::{CircuitBreaker, Config, Settings, Window};
use fusebox_core::{Failure, Outcome, Rng, Time};
use std::borrow::Borrow;
use std::time::Duration;
use tower_layer::Layer;

/// How far the time given moves from call to call: about what a call takes.
const STEP_NANOS: u64 = 10;
const START: Time = Time::from_secs(1);
const BROKEN: Outcome = Outcome::Failure(Failure::Error);

pub(crate) fn contender() -> Contender {
    Contender { name: "fusebox", version: locked_version("fusebox-core"), build }
}

fn build(setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
    let rate_only = Config { consecutive_failures: None, slow_call_rate: None, ..Config::default() };
    let told = |config| Direct::boxed(traffic, breaker(config, START), told_the_time);
    match setup {
        Setup::Consecutive => told(Config { failure_rate: None, slow_call_rate: None, ..Config::default() }),
        Setup::Count => told(Config { window: Window::Calls(100), ..rate_only }),
        Setup::Time => told(Config { window: Window::Time(Duration::from_secs(60)), ..rate_only }),
        Setup::Coarse => clocked(traffic, Clock::coarse()),
        Setup::Precise => clocked(traffic, Clock::precise()),
        Setup::Handle => {
            let handle = fusebox::CircuitBreaker::new("measured");
            Direct::boxed(traffic, handle, |handle: &fusebox::CircuitBreaker, _, good| {
                let result = handle.call(|| if good { Ok(()) } else { Err(()) });
                !matches!(result, Err(Error::Rejected(_)))
            })
        }
        Setup::Layer => layered(traffic, coarse_handle()),
        // One breaker per round is leaked, as a program leaks its one at start.
        Setup::StaticLayer => layered(traffic, &*Box::leak(Box::new(coarse_handle()))),
    }
}

/// The `default` preset with a clock read before and after, as every driver does.
fn clocked(traffic: Traffic, clock: Clock) -> Option<Box<dyn Subject>> {
    let breaker = breaker(Config::default(), clock.now());
    Direct::boxed(traffic, (breaker, clock), |(breaker, clock), _, good| match breaker.admit(clock.now()) {
        Ok(ticket) => {
            breaker.settle(ticket, if good { Outcome::Success } else { BROKEN }, clock.now());
            true
        }
        Err(_) => false,
    })
}

fn coarse_handle() -> fusebox::CircuitBreaker {
    let builder = fusebox::CircuitBreaker::builder("measured").clock(Clock::coarse());
    builder.build().expect("the default configuration works")
}

fn layered<H>(traffic: Traffic, held: H) -> Option<Box<dyn Subject>>
where
    H: Borrow<fusebox::CircuitBreaker> + Clone + Send + Sync + 'static,
{
    let service = CircuitBreakerLayer::new(held).layer(AtOnce);
    Served::boxed(traffic, service, |error| matches!(error, Error::Rejected(_)))
}

fn breaker(config: Config, now: Time) -> CircuitBreaker {
    let settings: Settings = config.check(None).expect("fields of the default configuration work");
    CircuitBreaker::new(settings, Rng::seeded(1), now)
}

#[inline(always)]
fn told_the_time(breaker: &CircuitBreaker, number: u64, good: bool) -> bool {
    let now = START.plus_nanos(number * STEP_NANOS);
    match breaker.admit(now) {
        Ok(ticket) => {
            breaker.settle(ticket, if good { Outcome::Success } else { BROKEN }, now);
            true
        }
        Err(_) => false,
    }
}
