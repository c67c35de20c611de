//! The ordered policies before one dependency.
//!
//! Order is data: a pipeline is a list of stages, outermost first, and a call's [`Flow`](crate::flow::Flow)
//! walks it inward and back out. Two orders have names; each is right for a different reason, and
//! `docs/orders.md` says which to take when.

use crate::retry::{self, Budget};
use crate::time::nanos;
use crate::{Outcome, Verdict};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::sync::{AtomicUsize, Relaxed};

/// Which policy stands outside which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Fallback › Balancer › Deadline › Breaker › Retry › Timeout: the breaker sees one verdict per call, the last
    /// attempt's, and a retry stays on its endpoint.
    #[default]
    Seed,
    /// Fallback › Deadline › Retry › Balancer › Breaker › Timeout: the breaker sees every attempt, and a retry may
    /// go to another endpoint.
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
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The order of the stages.
    pub order: Order,
    /// The whole call's time.
    pub deadline: Option<Duration>,
    /// One attempt's time.
    pub timeout: Option<Duration>,
    /// Further attempts.
    pub retry: Option<retry::Settings>,
    /// When to fall back.
    pub fallback: Option<FallbackOn>,
    /// Endpoints to choose from; with fewer than two there is nothing to choose.
    pub endpoints: usize,
}

/// One policy's place in a pipeline.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stage {
    /// Decides on the way out whether a fallback answers.
    Fallback(FallbackOn),
    /// Ends the whole call at a fixed moment.
    Deadline(u64),
    /// Chooses an endpoint, and another one when its circuit rejects.
    Pick(RoundRobin),
    /// The chosen endpoint's circuit.
    Breaker,
    /// Further attempts.
    Retry {
        /// How many, and when.
        settings: retry::Settings,
        /// What they may cost.
        budget: Option<Box<Budget>>,
    },
    /// Ends an attempt.
    Timeout(u64),
}

impl Stage {
    /// The policy's name, as `explain` prints it.
    pub const fn name(&self) -> &'static str {
        match self {
            Stage::Fallback(_) => "Fallback",
            Stage::Deadline(_) => "Deadline",
            Stage::Pick(_) => "Balancer",
            Stage::Breaker => "Breaker",
            Stage::Retry { .. } => "Retry",
            Stage::Timeout(_) => "Timeout",
        }
    }
}

/// Chooses endpoints in turn.
#[derive(Debug)]
pub struct RoundRobin {
    endpoints: usize,
    next: AtomicUsize,
}

impl RoundRobin {
    fn new(endpoints: usize) -> Self {
        RoundRobin { endpoints, next: AtomicUsize::new(0) }
    }

    /// How many there are to choose from.
    pub fn endpoints(&self) -> usize {
        self.endpoints
    }

    pub(crate) fn pick(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % self.endpoints
    }
}

/// Most stages a pipeline can have.
pub(crate) const DEPTH: usize = 6;

/// The ordered policies before one dependency. Shared by all its calls.
#[derive(Debug)]
pub struct Pipeline {
    stages: Box<[Stage]>,
    breaker_alone: bool,
}

impl Pipeline {
    /// The pipeline that `config` describes.
    pub fn new(config: Config) -> Self {
        let mut stages = Vec::with_capacity(DEPTH);
        let fallback = config.fallback.map(Stage::Fallback);
        let deadline = config.deadline.map(|span| Stage::Deadline(nanos(span)));
        let pick = (config.endpoints > 1).then(|| Stage::Pick(RoundRobin::new(config.endpoints)));
        let retry = config.retry.filter(|s| s.config().max_attempts > 1).map(|settings| {
            let budget = settings.config().budget.map(|budget| Box::new(Budget::new(budget)));
            Stage::Retry { settings, budget }
        });
        let timeout = config.timeout.map(|span| Stage::Timeout(nanos(span)));
        let order = match config.order {
            Order::Seed => [fallback, pick, deadline, Some(Stage::Breaker), retry, timeout],
            Order::RetryOutside => [fallback, deadline, retry, pick, Some(Stage::Breaker), timeout],
        };
        stages.extend(order.into_iter().flatten());
        let breaker_alone = matches!(stages[..], [Stage::Breaker]);
        Pipeline { stages: stages.into(), breaker_alone }
    }

    /// The pipeline of a circuit breaker alone.
    pub fn breaker_only() -> Self {
        Pipeline::new(Config::default())
    }

    /// The stages, outermost first.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Whether there is nothing but the breaker.
    #[inline(always)]
    pub(crate) fn is_breaker_alone(&self) -> bool {
        self.breaker_alone
    }

    /// The retry budget, if there is one.
    pub fn retry_budget(&self) -> Option<&Budget> {
        self.stages.iter().find_map(|stage| match stage {
            Stage::Retry { budget, .. } => budget.as_deref(),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(order: Order) -> Vec<&'static str> {
        let config = Config {
            order,
            deadline: Some(Duration::from_secs(15)),
            timeout: Some(Duration::from_secs(5)),
            retry: Some(retry::Settings::default()),
            fallback: Some(FallbackOn::Failed),
            endpoints: 2,
        };
        Pipeline::new(config).stages().iter().map(Stage::name).collect()
    }

    #[test]
    fn the_named_orders_stand_as_they_are_written_down() {
        assert_eq!(names(Order::Seed), ["Fallback", "Balancer", "Deadline", "Breaker", "Retry", "Timeout"]);
        assert_eq!(
            names(Order::RetryOutside),
            ["Fallback", "Deadline", "Retry", "Balancer", "Breaker", "Timeout"]
        );
    }

    #[test]
    fn what_is_not_configured_is_not_there() {
        let names: Vec<_> = Pipeline::breaker_only().stages().iter().map(Stage::name).collect();
        assert_eq!(names, ["Breaker"]);
    }
}
