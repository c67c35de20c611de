//! What a pipeline looks like from outside: every policy's own snapshot, in the order of the stages.

use super::{FallbackOn, Pipeline, Stage};
use crate::retry::BudgetSnapshot;
use crate::{Time, balancer, bulkhead, hedge, limiter, scope, throttle, timeout};
use alloc::vec::Vec;

/// A pipeline at one moment, as plain data. Its circuits have snapshots of their own.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// When this was read.
    pub taken: Time,
    /// Every stage, outermost first.
    pub stages: Vec<StageSnapshot>,
}

/// A stage at one moment.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StageSnapshot {
    /// The policy's name, as `explain` prints it.
    pub name: &'static str,
    /// What the policy says of itself.
    pub policy: PolicySnapshot,
}

/// What a stage's policy says of itself. Serialized as the policy's own snapshot, and as `null` where there is none.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
#[non_exhaustive]
pub enum PolicySnapshot {
    /// A fallback.
    Fallback {
        /// Whether it answers in place of rejections only, and not of failures.
        rejected_only: bool,
    },
    /// A rate limiter.
    RateLimiter(limiter::Snapshot),
    /// A deadline.
    Deadline {
        /// What the whole call may take, in nanoseconds.
        span_nanos: u64,
    },
    /// Whose failures there have been.
    Scopes(scope::Snapshot),
    /// A balancer with its endpoints.
    Balancer(balancer::Snapshot),
    /// A throttle.
    Throttle(throttle::Snapshot),
    /// A bulkhead, with what moves its capacity.
    Bulkhead(bulkhead::Snapshot),
    /// The circuit of whichever endpoint is chosen.
    Breaker,
    /// Retries.
    Retry {
        /// Attempts, the first included.
        max_attempts: u32,
        /// What they may cost, where that is bounded.
        budget: Option<BudgetSnapshot>,
    },
    /// Hedges.
    Hedge(hedge::Snapshot),
    /// Threads, as places.
    Pool(bulkhead::Snapshot),
    /// A fixed timeout of an attempt.
    Timeout {
        /// What an attempt may take, in nanoseconds.
        span_nanos: u64,
    },
    /// A timeout that is worked out from the latest attempts.
    AdaptiveTimeout(timeout::Snapshot),
}

impl Pipeline {
    /// Every policy at `now`, outermost first. Each is read for itself: two that count the same call may differ by it.
    ///
    /// ```
    /// use fusebox_core::Time;
    /// use fusebox_core::pipeline::{Pipeline, PolicySnapshot};
    /// let snapshot = Pipeline::breaker_only().snapshot(Time::from_secs(1));
    /// assert_eq!((snapshot.stages[0].name, &snapshot.stages[0].policy), ("Breaker", &PolicySnapshot::Breaker));
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let stage = |stage: &Stage| StageSnapshot { name: stage.name(), policy: stage.snapshot(now) };
        Snapshot { taken: now, stages: self.stages.iter().map(stage).collect() }
    }
}

impl Stage {
    /// What the policy says of itself at `now`.
    pub fn snapshot(&self, now: Time) -> PolicySnapshot {
        match self {
            Stage::Fallback(on) => PolicySnapshot::Fallback { rejected_only: *on == FallbackOn::Rejected },
            Stage::RateLimiter(limiter) => PolicySnapshot::RateLimiter(limiter.snapshot(now)),
            Stage::Deadline(span) => PolicySnapshot::Deadline { span_nanos: *span },
            Stage::Scopes(scopes) => PolicySnapshot::Scopes(scopes.snapshot()),
            Stage::Pick(balancer) => PolicySnapshot::Balancer(balancer.snapshot(now)),
            Stage::Throttle(throttle) => PolicySnapshot::Throttle(throttle.snapshot(now)),
            Stage::Bulkhead(bulkhead) => PolicySnapshot::Bulkhead(bulkhead.snapshot(now)),
            Stage::Breaker => PolicySnapshot::Breaker,
            Stage::Retry { settings, budget } => PolicySnapshot::Retry {
                max_attempts: settings.config().max_attempts,
                budget: budget.as_ref().map(|budget| budget.snapshot(now)),
            },
            Stage::Hedge(hedge) => PolicySnapshot::Hedge(hedge.snapshot(now)),
            Stage::Pool(pool) => PolicySnapshot::Pool(pool.snapshot(now)),
            Stage::Timeout(span) => PolicySnapshot::Timeout { span_nanos: *span },
            Stage::AdaptiveTimeout(timeout) => PolicySnapshot::AdaptiveTimeout(timeout.snapshot(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulkhead::{Bulkhead, Entry};
    use crate::limiter::RateLimiter;
    use crate::pipeline::Config;
    use crate::{Ask, retry};
    use alloc::sync::Arc;
    use core::task::Waker;

    #[test]
    fn each_policy_tells_what_it_counted_in_the_order_of_the_stages() {
        let now = Time::from_secs(1);
        let limiter = Arc::new(RateLimiter::new(limiter::Settings::default()));
        let bulkhead = Arc::new(Bulkhead::new(bulkhead::Settings::default()));
        let pipeline = Pipeline::new(Config {
            rate_limiter: Some(limiter.clone()),
            bulkhead: Some(bulkhead.clone()),
            retry: Some(retry::Settings::default()),
            ..Config::default()
        });
        assert!(limiter.admit(0, now, now).is_ok(), "a full quota");
        assert!(matches!(bulkhead.enter(Ask::default(), now, now, Waker::noop()), Entry::Placed(_)));
        pipeline.retry_budget().expect("on by default").first_try(now);

        let snapshot = pipeline.snapshot(now);
        assert_eq!(snapshot.taken, now);
        let [limiter, bulkhead, breaker, retry] = &snapshot.stages[..] else { panic!("{snapshot:?}") };
        assert!(matches!(&limiter.policy, PolicySnapshot::RateLimiter(told) if told.totals.admitted == 1));
        assert!(matches!(&bulkhead.policy, PolicySnapshot::Bulkhead(told) if told.in_use == 1));
        assert_eq!((breaker.name, &breaker.policy), ("Breaker", &PolicySnapshot::Breaker));
        let PolicySnapshot::Retry { budget: Some(budget), max_attempts: 2.. } = retry.policy else {
            panic!("{retry:?}")
        };
        assert_eq!(budget.first_tries, 1);
    }
}
