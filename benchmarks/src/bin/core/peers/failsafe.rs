//! failsafe: a policy behind one mutex. Its time window is a moving average, not a window; it has no count window.

use crate::subject::{Direct, Setup, Subject, Traffic};
use failsafe::backoff::constant;
use failsafe::failure_policy::{FailurePolicy, consecutive_failures, success_rate_over_time_window};
use failsafe::{CircuitBreaker, Config, Error, StateMachine};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(600);

pub(crate) fn build(setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
    match setup {
        Setup::Consecutive => {
            let policy = consecutive_failures(10, constant(WAIT));
            subject(traffic, Config::new().failure_policy(policy).build())
        }
        Setup::Time => {
            let policy = success_rate_over_time_window(0.5, 10, Duration::from_secs(60), constant(WAIT));
            subject(traffic, Config::new().failure_policy(policy).build())
        }
        Setup::Precise => subject(traffic, Config::new().build()),
        Setup::Count | Setup::Coarse | Setup::Handle | Setup::Layer | Setup::StaticLayer => None,
    }
}

fn subject<P>(traffic: Traffic, breaker: StateMachine<P, ()>) -> Option<Box<dyn Subject>>
where
    P: FailurePolicy + Send + Sync + 'static,
{
    Direct::boxed(traffic, breaker, |breaker: &StateMachine<P, ()>, _, good| {
        let result = breaker.call(|| if good { Ok(()) } else { Err(()) });
        !matches!(result, Err(Error::Rejected))
    })
}
