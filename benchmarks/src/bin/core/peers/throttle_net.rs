//! throttle-net: a breaker around a rate limiter; here around one that always admits. Its time window knows
//! failures only, as a count, and keeps one entry for each.

use crate::subject::{Direct, Setup, Subject, Traffic};
use std::time::Duration;
use throttle_net::{CircuitBreaker, Decision, Limiter, Trip};

pub(crate) fn build(setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
    let builder = CircuitBreaker::builder().cooldown(Duration::from_secs(600));
    let builder = match setup {
        Setup::Consecutive => builder.trip(Trip::Consecutive(10)),
        Setup::Count => builder.trip(Trip::Ratio { window: 100, ratio: 0.5, min_calls: 10 }),
        Setup::Time => builder.trip(Trip::Windowed { failures: u32::MAX, period: Duration::from_secs(60) }),
        Setup::Precise => CircuitBreaker::builder(),
        Setup::Coarse | Setup::Handle | Setup::Layer | Setup::StaticLayer => return None,
    };
    Direct::boxed(traffic, builder.build(Unlimited), |breaker, _, good| match breaker.try_acquire() {
        Ok(Some(permit)) if good => {
            permit.success();
            true
        }
        Ok(Some(permit)) => {
            permit.failure();
            true
        }
        Ok(None) | Err(_) => false,
    })
}

struct Unlimited;

impl Limiter for Unlimited {
    fn peek(&self, _: u32) -> Decision {
        Decision::Acquired
    }

    fn acquire_cost(&self, _: u32) -> Decision {
        Decision::Acquired
    }

    fn available(&self) -> u32 {
        u32::MAX
    }

    fn capacity(&self) -> u32 {
        u32::MAX
    }
}
