//! A whole pipeline around a service that is ready at once: rate limiter, bulkhead, timeout, breaker, retry, fallback.
//!
//! The peers' stacks have the same policies as far as they have them, in the order that their documentation shows.

use crate::case::{Case, Kind, TIMERS};
use fusebox::fallback::Cause;
use fusebox::tower::FuseLayer;
use fusebox::{Clock, Fuse, bulkhead, limiter, retry};
use fusebox_benchmarks::machine::locked_version;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::retry::Policy;
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_retry::RetryLayer;
use tower_resilience_timelimiter::TimeLimiterLayer;

const TIMEOUT: Duration = Duration::from_secs(5);
const PLENTY: u32 = 1_000_000_000;

/// Answers at once.
#[derive(Clone, Copy)]
struct AtOnce;

impl Service<u64> for AtOnce {
    type Response = u64;
    type Error = Broken;
    type Future = Ready<Result<u64, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u64) -> Self::Future {
        ready(Ok(number))
    }
}

#[derive(Clone, Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

fn fuse(clock: Clock) -> Fuse {
    let quota = limiter::Config { permits: PLENTY, burst: PLENTY, ..limiter::Config::default() };
    let builder = Fuse::builder("measured").clock(clock).rate_limiter(quota);
    let builder = builder.bulkhead(bulkhead::Config::default()).timeout(TIMEOUT);
    builder.retry(retry::Config::default()).build().expect("it works")
}

/// Ours, then the peers'.
pub(crate) fn all() -> Vec<Case> {
    vec![
        library("fusebox, async call, coarse clock", fuse(Clock::coarse()), Some(250)),
        library("fusebox, async call, precise clock", fuse(Clock::precise()), None),
        served("fusebox, Tower layer, coarse clock", Some(250), || {
            FuseLayer::new(fuse(Clock::coarse())).fallback(|_: Cause<'_, u64, Broken>| 0).layer(AtOnce)
        }),
        served(
            format!("tower {}: rate, concurrency, timeout, retry", locked_version("tower")),
            None,
            tower_own,
        ),
        served(
            format!(
                "tower-resilience {}: rate limiter, bulkhead, breaker, retry, timeout",
                locked_version("tower-resilience-bulkhead")
            ),
            None,
            resilience,
        ),
    ]
}

fn library(title: &str, fuse: Fuse, target: Option<u64>) -> Case {
    Case::new(title, Kind::Alone(target), move |times| {
        let _entered = TIMERS.enter();
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..times {
            let call = fuse.run_or_else(|| ready(Ok::<_, Broken>(black_box(number))), |_| 0);
            let Poll::Ready(answer) = pin!(call).poll(&mut cx) else { panic!("it is ready at once") };
            black_box(answer.is_ok());
        }
    })
}

fn served<S>(title: impl Into<String>, target: Option<u64>, make: impl FnOnce() -> S) -> Case
where
    S: Service<u64> + 'static,
{
    let mut service = {
        let _entered = TIMERS.enter();
        make()
    };
    Case::new(title, Kind::Alone(target), move |times| {
        let _entered = TIMERS.enter();
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..times {
            while service.poll_ready(&mut cx).is_pending() {
                std::hint::spin_loop();
            }
            let mut answer = pin!(service.call(black_box(number)));
            loop {
                match answer.as_mut().poll(&mut cx) {
                    Poll::Ready(Ok(value)) => break drop(black_box(value)),
                    Poll::Ready(Err(_)) => panic!("nothing is refused and nothing fails"),
                    Poll::Pending => std::hint::spin_loop(),
                }
            }
        }
    })
}

/// Never asked for: nothing fails.
#[derive(Clone)]
struct Twice;

impl<T, E> Policy<u64, T, E> for Twice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<T, E>) -> Option<Ready<()>> {
        result.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// Without breaker and fallback, which tower has not.
fn tower_own() -> impl Service<u64> {
    ServiceBuilder::new()
        .rate_limit(u64::from(PLENTY), Duration::from_secs(1))
        .concurrency_limit(25)
        .retry(Twice)
        .timeout(TIMEOUT)
        .service(AtOnce)
}

/// Without fallback, whose type would have to name the errors of all others.
fn resilience() -> impl Service<u64> {
    let limiter =
        RateLimiterLayer::builder().limit_for_period(PLENTY as usize).refresh_period(Duration::from_secs(1));
    let timeout = TimeLimiterLayer::builder().timeout_duration(TIMEOUT).build();
    let retry = RetryLayer::builder().max_attempts(2).exponential_backoff(Duration::from_millis(100)).build();
    let breaker = CircuitBreakerLayer::builder().build().expect("its defaults work");
    let inner = breaker.layer_fn(retry.layer(timeout.layer(AtOnce)));
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(25).build().expect("it works");
    limiter.build().expect("it works").layer(bulkhead.layer(inner))
}
