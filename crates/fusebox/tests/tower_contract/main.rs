//! What the Tower layers promise: each line of `docs/tower-contract.md`, on a scripted dependency in virtual time.

mod cancel;
mod circuit;
mod dependency;
mod endpoints;
mod fuse;
mod queue;
mod replay;
mod stacks;

use dependency::{Broken, Dependency};
use fusebox::breaker::{Config, State, Totals};
use fusebox::tower::{CircuitBreakerService, FuseService};
use fusebox::{CircuitBreaker, Clock, Error, Fuse, FuseBuilder, retry};
use std::time::Duration;
use tower::{Service, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A circuit in virtual time.
pub(crate) fn circuit(change: impl FnOnce(&mut Config)) -> CircuitBreaker {
    CircuitBreaker::builder("dependency")
        .clock(Clock::tokio())
        .with(change)
        .build()
        .expect("the changes are valid")
}

/// A pipeline in virtual time.
pub(crate) fn pipeline() -> FuseBuilder {
    Fuse::builder("dependency").clock(Clock::tokio())
}

/// Retries after exactly this long, without a budget.
pub(crate) fn again_after(wait: Duration) -> retry::Config {
    let backoff = retry::Backoff { base: wait, multiplier: 1.0, max: wait, jitter: retry::Jitter::None };
    retry::Config { max_attempts: 2, backoff, budget: None }
}

/// Opens the circuit, by as many failures as it takes.
pub(crate) fn trip(circuit: &CircuitBreaker) {
    for _ in 0..100 {
        if let Ok(permit) = circuit.admit() {
            permit.failure();
        }
    }
    assert_eq!(circuit.state(), State::Open);
}

/// Opens the circuit and lets its wait pass.
pub(crate) async fn half_open(circuit: &CircuitBreaker) {
    trip(circuit);
    let rejected = circuit.admit().expect_err("it is open");
    tokio::time::advance(rejected.retry_after.expect("it will probe")).await;
}

pub(crate) fn totals(circuit: &CircuitBreaker) -> Totals {
    circuit.snapshot().totals
}

/// Makes a service ready, then calls it.
pub(crate) async fn call<S>(service: &mut S, request: u32) -> Result<u32, Error<Broken>>
where
    S: Service<u32, Response = u32, Error = Error<Broken>>,
{
    service.ready().await?.call(request).await
}

fn is_owned<T: Send + 'static>(_: &T) {}

#[tokio::test]
async fn services_and_futures_can_be_sent_to_other_threads() {
    let mut alone = CircuitBreakerService::new(Dependency::default(), circuit(|_| {}));
    is_owned(&alone);
    is_owned(&alone.call(1));
    let mut whole = FuseService::new(Dependency::default(), pipeline().build().expect("it is valid"));
    is_owned(&whole);
    is_owned(&whole.call(1));
}
