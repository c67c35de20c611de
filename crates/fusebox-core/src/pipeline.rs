//! The ordered policies before one dependency.
//!
//! Order is data: a pipeline is a list of stages, outermost first, and a call's [`Flow`](crate::flow::Flow)
//! walks it inward and back out. Two orders have names; each is right for a different reason, and
//! `docs/orders.md` says which to take when.

mod snapshot;

pub use snapshot::{PolicySnapshot, Snapshot, StageSnapshot};

use crate::balancer::Balancer;
use crate::bulkhead::Bulkhead;
use crate::hedge::Hedge;
use crate::limiter::RateLimiter;
use crate::retry::{self, Budget};
use crate::scope::Scopes;
use crate::throttle::Throttle;
use crate::time::nanos;
use crate::timeout::Timeout;
use crate::{Outcome, Verdict};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Which policy stands outside which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Fallback › RateLimiter › Scopes › Balancer › Deadline › Throttle › Bulkhead › Breaker › Retry › Hedge › Pool › Timeout: the
    /// breaker sees one verdict per call, the last attempt's, and a retry stays on its endpoint.
    #[default]
    Seed,
    /// Fallback › Deadline › RateLimiter › Retry › Hedge › Scopes › Balancer › Throttle › Bulkhead › Breaker › Pool › Timeout: the
    /// breaker sees every attempt, and a retry or a hedge may go to another endpoint.
    RetryOutside,
}

impl Order {
    /// Every order, with the name it has in configuration files.
    pub const ALL: [(&'static str, Order); 2] =
        [("seed", Order::Seed), ("retry_outside", Order::RetryOutside)];
}

/// When a fallback takes the place of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FallbackOn {
    /// On a rejection, this pipeline's or another circuit's, and on a failure after all retries.
    #[default]
    Failed,
    /// On a rejection only, whoever's.
    Rejected,
}

impl FallbackOn {
    /// Whether a fallback answers in place of a result with this verdict.
    pub fn answers(self, verdict: Verdict) -> bool {
        let failed = matches!(verdict.outcome, Outcome::Failure(_));
        verdict.refused || (failed && self == FallbackOn::Failed)
    }
}

/// What stands in a pipeline. Values are checked already; there is no wrong combination left.
///
/// Policies with a state of their own are shared handles: two pipelines may stand on one bulkhead, and a pipeline that is
/// made anew keeps them.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The order of the stages.
    pub order: Order,
    /// How many calls may begin in a time.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// Whose failure a failure is: before the circuits of endpoints, those of the service and of tenants.
    pub scopes: Option<Arc<Scopes>>,
    /// Which endpoint a call goes to. Without one there is one endpoint, the first.
    pub balancer: Option<Arc<Balancer>>,
    /// The whole call's time.
    pub deadline: Option<Duration>,
    /// Sends less to a dependency that refuses much.
    pub throttle: Option<Arc<Throttle>>,
    /// How many calls may be under way at once.
    pub bulkhead: Option<Arc<Bulkhead>>,
    /// No circuit: the driver's is never asked, and told nothing.
    pub without_breaker: bool,
    /// Further attempts.
    pub retry: Option<retry::Settings>,
    /// A second attempt beside a slow one.
    pub hedge: Option<Arc<Hedge>>,
    /// The threads that attempts run on, as places.
    pub pool: Option<Arc<Bulkhead>>,
    /// One attempt's time.
    pub timeout: Option<Duration>,
    /// One attempt's time, worked out from the latest attempts; takes the place of `timeout`.
    pub adaptive_timeout: Option<Arc<Timeout>>,
    /// When to fall back.
    pub fallback: Option<FallbackOn>,
}

/// One policy's place in a pipeline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// Decides on the way out whether a fallback answers.
    Fallback(FallbackOn),
    /// Lets so many calls begin in a time.
    RateLimiter(Arc<RateLimiter>),
    /// Ends the whole call at a fixed moment.
    Deadline(u64),
    /// The circuits of the whole service and of the call's tenant.
    Scopes(Arc<Scopes>),
    /// Chooses an endpoint, and another one when its circuit rejects.
    Pick(Arc<Balancer>),
    /// Sends less to a dependency that refuses much.
    Throttle(Arc<Throttle>),
    /// Lets so many calls be under way at once.
    Bulkhead(Arc<Bulkhead>),
    /// The chosen endpoint's circuit.
    Breaker,
    /// Further attempts.
    Retry {
        /// How many, and when.
        settings: retry::Settings,
        /// What they may cost.
        budget: Option<Arc<Budget>>,
    },
    /// A second attempt beside a slow one.
    Hedge(Arc<Hedge>),
    /// A thread for each attempt, which takes its place along.
    Pool(Arc<Bulkhead>),
    /// Ends an attempt.
    Timeout(u64),
    /// Ends an attempt that takes much longer than the latest ones did.
    AdaptiveTimeout(Arc<Timeout>),
}

impl Stage {
    /// The policy's name, as `explain` prints it.
    pub const fn name(&self) -> &'static str {
        match self {
            Stage::Fallback(_) => "Fallback",
            Stage::RateLimiter(_) => "RateLimiter",
            Stage::Deadline(_) => "Deadline",
            Stage::Scopes(_) => "Scopes",
            Stage::Pick(_) => "Balancer",
            Stage::Throttle(_) => "Throttle",
            Stage::Bulkhead(_) => "Bulkhead",
            Stage::Breaker => "Breaker",
            Stage::Retry { .. } => "Retry",
            Stage::Hedge(_) => "Hedge",
            Stage::Pool(_) => "Pool",
            Stage::Timeout(_) | Stage::AdaptiveTimeout(_) => "Timeout",
        }
    }
}

/// The ordered policies before one dependency. Shared by all its calls.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Box<[Stage]>,
    breaker_alone: bool,
    /// What the whole call may take, in nanoseconds; `u64::MAX` without a deadline.
    deadline: u64,
    queues: bool,
}

impl Pipeline {
    /// The pipeline that `config` describes.
    pub fn new(config: Config) -> Self {
        let fallback = config.fallback.map(Stage::Fallback);
        let limiter = config.rate_limiter.map(Stage::RateLimiter);
        let scopes = config.scopes.map(Stage::Scopes);
        let pick = config.balancer.map(Stage::Pick);
        let deadline = config.deadline.map(|span| Stage::Deadline(nanos(span)));
        let throttle = config.throttle.map(Stage::Throttle);
        let bulkhead = config.bulkhead.map(Stage::Bulkhead);
        let breaker = (!config.without_breaker).then_some(Stage::Breaker);
        let retry = config.retry.filter(|s| s.config().max_attempts > 1).map(|settings| {
            let budget = settings.config().budget.map(|budget| Arc::new(Budget::new(budget)));
            Stage::Retry { settings, budget }
        });
        let hedge = config.hedge.map(Stage::Hedge);
        let pool = config.pool.map(Stage::Pool);
        let fixed = config.timeout.map(|span| Stage::Timeout(nanos(span)));
        let timeout = config.adaptive_timeout.map(Stage::AdaptiveTimeout).or(fixed);
        let order = match config.order {
            Order::Seed => [
                fallback, limiter, scopes, pick, deadline, throttle, bulkhead, breaker, retry, hedge, pool,
                timeout,
            ],
            Order::RetryOutside => [
                fallback, deadline, limiter, retry, hedge, scopes, pick, throttle, bulkhead, breaker, pool,
                timeout,
            ],
        };
        Pipeline::of(order.into_iter().flatten().collect())
    }

    /// The pipeline that `config` describes, in the place of `before`: what has been tried and spent of the retry budget
    /// stays so. Every other state is in the parts of `config` itself.
    pub fn in_place_of(before: &Pipeline, config: Config) -> Self {
        let mut pipeline = Pipeline::new(config);
        let kept = before.stages.iter().find_map(|stage| match stage {
            Stage::Retry { budget, .. } => budget.clone(),
            _ => None,
        });
        for stage in &mut pipeline.stages {
            if let Stage::Retry { settings, budget: Some(budget) } = stage
                && let (Some(kept), Some(terms)) = (&kept, settings.config().budget)
            {
                kept.reconfigure(terms);
                *budget = kept.clone();
            }
        }
        pipeline
    }

    fn of(stages: Box<[Stage]>) -> Self {
        let breaker_alone = matches!(stages[..], [Stage::Breaker]);
        let queues = stages.iter().any(|stage| matches!(stage, Stage::Bulkhead(_) | Stage::Pool(_)));
        let deadline = stages.iter().find_map(|stage| match stage {
            Stage::Deadline(span) => Some(*span),
            _ => None,
        });
        Pipeline { stages, breaker_alone, deadline: deadline.unwrap_or(u64::MAX), queues }
    }

    /// The pipeline of a circuit breaker alone.
    pub fn breaker_only() -> Self {
        Pipeline::new(Config::default())
    }

    /// The same policies, with the state they are in, before other endpoints. A pipeline without a balancer stays so.
    #[must_use]
    pub fn with_balancer(&self, balancer: &Arc<Balancer>) -> Self {
        let known =
            |of: &Arc<Balancer>| (0..of.endpoints()).filter_map(|i| of.name(i).map(String::from)).collect();
        let before: Vec<String> = self.balancer().map_or_else(Vec::new, known);
        let stays = |name: String| before.iter().position(|known| *known == name);
        let exchange = |stage: &Stage| match stage {
            Stage::Pick(_) => Stage::Pick(balancer.clone()),
            Stage::Scopes(scopes) => {
                let endpoints: Vec<String> = known(balancer);
                Stage::Scopes(Arc::new(scopes.with_endpoints(endpoints.into_iter().map(stays))))
            }
            stage => stage.clone(),
        };
        Pipeline::of(self.stages.iter().map(exchange).collect())
    }

    /// What stands before the endpoints themselves, with the state it is in, before others: for a call that the policies
    /// outside have admitted already. Those are the balancer, places, circuits and an attempt's time.
    #[must_use]
    pub fn inside(&self, balancer: &Arc<Balancer>) -> Self {
        let stays = |stage: &&Stage| {
            use Stage::{AdaptiveTimeout, Breaker, Bulkhead, Pick, Pool, Timeout};
            matches!(stage, Pick(_) | Bulkhead(_) | Breaker | Pool(_) | Timeout(_) | AdaptiveTimeout(_))
        };
        let inner = Pipeline::of(self.stages.iter().filter(stays).cloned().collect());
        inner.with_balancer(balancer)
    }

    /// The stages, outermost first.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The stages' names, outermost first: something for a test to assert on.
    ///
    /// ```
    /// use fusebox_core::pipeline::{Config, FallbackOn, Pipeline};
    /// let config = Config { fallback: Some(FallbackOn::Failed), ..Config::default() };
    /// assert_eq!(Pipeline::new(config).describe(), "Fallback › Breaker");
    /// ```
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.stages.iter().map(Stage::name).collect();
        names.join(" › ")
    }

    /// Whether there is nothing but the breaker.
    #[inline(always)]
    pub(crate) fn is_breaker_alone(&self) -> bool {
        self.breaker_alone
    }

    #[inline(always)]
    pub(crate) fn deadline_nanos(&self) -> u64 {
        self.deadline
    }

    /// Whether a call may have to queue for a place, so that its driver must be wakeable.
    #[inline(always)]
    pub fn queues(&self) -> bool {
        self.queues
    }

    /// The quota, if there is one.
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::RateLimiter(limiter) => Some(&**limiter),
            _ => None,
        })
    }

    /// The retry budget, if there is one.
    pub fn retry_budget(&self) -> Option<&Budget> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::Retry { budget, .. } => budget.as_deref(),
            _ => None,
        })
    }

    /// The balancer, if there is one.
    pub fn balancer(&self) -> Option<&Arc<Balancer>> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::Pick(balancer) => Some(balancer),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Spec;
    use crate::{Time, bulkhead};

    fn whole(order: Order) -> Config {
        let places = || Some(Arc::new(Bulkhead::new(bulkhead::Settings::default())));
        let endpoints = [Spec::named("a:80"), Spec::named("b:80")];
        let balancer = Balancer::new(crate::balancer::Settings::default(), &endpoints, Time::ZERO);
        Config {
            order,
            rate_limiter: Some(Arc::new(RateLimiter::new(crate::limiter::Settings::default()))),
            scopes: Some(Arc::new(Scopes::new(crate::scope::Settings::default(), 2))),
            balancer: Some(Arc::new(balancer)),
            deadline: Some(Duration::from_secs(15)),
            throttle: Some(Arc::new(Throttle::new(crate::throttle::Settings::default()))),
            bulkhead: places(),
            without_breaker: false,
            retry: Some(retry::Settings::default()),
            hedge: Some(Arc::new(Hedge::new(crate::hedge::Settings::default()))),
            pool: places(),
            timeout: Some(Duration::from_secs(5)),
            adaptive_timeout: None,
            fallback: Some(FallbackOn::Failed),
        }
    }

    #[test]
    fn the_named_orders_stand_as_they_are_written_down() {
        assert_eq!(
            Pipeline::new(whole(Order::Seed)).describe(),
            "Fallback › RateLimiter › Scopes › Balancer › Deadline › Throttle › Bulkhead › Breaker › Retry › Hedge › Pool › Timeout"
        );
        assert_eq!(
            Pipeline::new(whole(Order::RetryOutside)).describe(),
            "Fallback › Deadline › RateLimiter › Retry › Hedge › Scopes › Balancer › Throttle › Bulkhead › Breaker › Pool › Timeout"
        );
    }

    #[test]
    fn what_stands_before_the_endpoints_stays_for_a_call_that_is_admitted_already() {
        let pipeline = Pipeline::new(whole(Order::RetryOutside));
        let inside = pipeline.inside(pipeline.balancer().expect("there is one"));
        assert_eq!(inside.describe(), "Balancer › Bulkhead › Breaker › Pool › Timeout");
    }

    #[test]
    fn another_pipeline_in_its_place_goes_on_with_what_is_spent_on_retries() {
        let before = Pipeline::new(whole(Order::Seed));
        let now = Time::from_secs(1);
        let budget = before.retry_budget().expect("there is one by default");
        while budget.withdraw(now) {}
        let after = Pipeline::in_place_of(&before, whole(Order::RetryOutside));
        assert_eq!(after.retry_budget().map(|budget| budget.snapshot(now).available), Some(0));
        let none = Pipeline::in_place_of(&before, Config { retry: None, ..whole(Order::Seed) });
        assert!(none.retry_budget().is_none());
        let anew = Pipeline::in_place_of(&none, whole(Order::Seed));
        assert!(anew.retry_budget().is_some_and(|budget| budget.withdraw(now)));
    }

    #[test]
    fn what_is_not_configured_is_not_there() {
        assert_eq!(Pipeline::breaker_only().describe(), "Breaker");
        let limited = Config { rate_limiter: whole(Order::Seed).rate_limiter, ..Config::default() };
        assert_eq!(Pipeline::new(Config { without_breaker: true, ..limited }).describe(), "RateLimiter");
    }
}
