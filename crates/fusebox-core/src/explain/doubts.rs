//! What is doubtful about a pipeline that works.

use super::words::span;
use crate::breaker::{Settings, Warning};
use crate::pipeline::{Pipeline, Stage};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// A doubt about policies that work, each alone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// About the circuit's own settings: a rule that can never fire, a count that is reached at high volume.
    Circuit(Warning),
    /// No call can be so slow as to count as slow: its timeout ends it before.
    NeverSlow {
        /// From when on a call is slow.
        slow: Duration,
        /// When it is ended.
        timeout: Duration,
    },
    /// Nothing answers while the circuit is open.
    NoFallback,
    /// Nothing ends a call that hangs.
    NoTimeout,
    /// Only the deadline ends an attempt that hangs.
    DeadlineAlone {
        /// The whole call's time.
        deadline: Duration,
    },
    /// The deadline comes before any attempt's timeout does.
    TimeoutOutlastsDeadline {
        /// One attempt's time.
        timeout: Duration,
        /// The whole call's time.
        deadline: Duration,
    },
    /// There is no time for all the attempts.
    AttemptsOutlastDeadline {
        /// One attempt's time.
        timeout: Duration,
        /// How many there may be.
        attempts: u32,
        /// The whole call's time.
        deadline: Duration,
    },
    /// Retries stand inside a choice of endpoints: a retry goes where the first attempt failed.
    RetryStays,
    /// Retries stand outside the circuit of the only endpoint: one call is several failures.
    RetryOutsideCircuit {
        /// How many.
        attempts: u32,
    },
    /// Nothing bounds what retries add to a dependency that fails.
    RetryWithoutBudget,
    /// A limit that goes by latency sees retries and their waits in it.
    LimitSeesRetries,
    /// The deadline ends a wait before its own limit does.
    WaitOutlastsDeadline {
        /// What is waited for.
        stage: &'static str,
        /// How long it may be.
        wait: Duration,
        /// The whole call's time.
        deadline: Duration,
    },
    /// There is a queue, and no time to wait in it.
    QueueNeverFills {
        /// Its size.
        queue: u32,
    },
    /// There is a time to wait, and no queue to wait in.
    WaitNeverWaited {
        /// How long.
        wait: Duration,
    },
    /// Endpoints say where they are, and nothing says where we are.
    RegionUnnamed,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Circuit(warning) => write!(f, "breaker.{}: {}", warning.field, warning.text),
            Doubt::NeverSlow { slow, timeout } => write!(
                f,
                "breaker.slow_call_duration ({}) is longer than call_timeout ({}): nothing is slow",
                span(*slow),
                span(*timeout)
            ),
            Doubt::NoFallback => f.write_str("no fallback: while a circuit is open its callers are refused"),
            Doubt::NoTimeout => {
                f.write_str("no call_timeout and no deadline: a call that hangs is held for ever")
            }
            Doubt::DeadlineAlone { deadline } => write!(
                f,
                "no call_timeout: an attempt that hangs is held until the deadline of {}",
                span(*deadline)
            ),
            Doubt::TimeoutOutlastsDeadline { timeout, deadline } => write!(
                f,
                "call_timeout ({}) is longer than the deadline ({}): it never ends one",
                span(*timeout),
                span(*deadline)
            ),
            Doubt::AttemptsOutlastDeadline { timeout, attempts, deadline } => write!(
                f,
                "the deadline ({}) is shorter than {attempts} attempts of {} each: the last is cut short",
                span(*deadline),
                span(*timeout)
            ),
            Doubt::RetryStays => f.write_str(
                "a retry stays on its endpoint: order = \"retry_outside\" lets it go to another",
            ),
            Doubt::RetryOutsideCircuit { attempts } => write!(
                f,
                "order = \"retry_outside\" before one endpoint: a call that fails is up to {attempts} failures in its circuit"
            ),
            Doubt::RetryWithoutBudget => {
                f.write_str("retry without budget: a dependency that fails gets every call several times")
            }
            Doubt::LimitSeesRetries => f.write_str(
                "bulkhead.limit takes retries and their waits for latency: order = \"retry_outside\" shows it each attempt",
            ),
            Doubt::WaitOutlastsDeadline { stage, wait, deadline } => write!(
                f,
                "{stage}.max_wait ({}) is longer than the deadline ({}), which ends the wait",
                span(*wait),
                span(*deadline)
            ),
            Doubt::QueueNeverFills { queue } => write!(
                f,
                "bulkhead.max_queue ({queue}) can never fill: max_wait is 0s, so nobody waits"
            ),
            Doubt::WaitNeverWaited { wait } => {
                write!(f, "bulkhead.max_wait ({}) is never waited: max_queue is 0", span(*wait))
            }
            Doubt::RegionUnnamed => f.write_str(
                "endpoints are in several regions and nothing says which is ours: they are all as near",
            ),
        }
    }
}

/// What a pipeline's stages say of it as a whole.
#[derive(Default)]
struct Found {
    timeout: Option<Duration>,
    deadline: Option<Duration>,
    attempts: u32,
    endpoints: usize,
    fallback: bool,
    without_budget: bool,
    learns: bool,
    breaker: bool,
    /// Retries stand outside the circuit.
    outside: bool,
    regions: bool,
    waits: Vec<(&'static str, Duration)>,
    places: Option<(Duration, u32)>,
}

impl Found {
    fn of(pipeline: &Pipeline) -> Found {
        let mut found = Found { attempts: 1, endpoints: 1, ..Found::default() };
        for stage in pipeline.stages() {
            match stage {
                Stage::Fallback(_) => found.fallback = true,
                Stage::Timeout(nanos) => found.timeout = Some(Duration::from_nanos(*nanos)),
                Stage::AdaptiveTimeout(timeout) => {
                    found.timeout = Some(timeout.settings().config().longest());
                }
                Stage::Deadline(nanos) => found.deadline = Some(Duration::from_nanos(*nanos)),
                Stage::Retry { settings, .. } => {
                    found.attempts = settings.config().max_attempts;
                    found.without_budget = settings.config().budget.is_none();
                    found.outside = !found.breaker;
                }
                Stage::Breaker => found.breaker = true,
                Stage::Pick(balancer) => {
                    found.endpoints = balancer.endpoints();
                    found.regions = balancer.settings().config().region.is_none() && balancer.is_spread();
                }
                Stage::RateLimiter(limiter) => {
                    found.waits.push(("rate_limiter", limiter.settings().config().max_wait));
                }
                Stage::Bulkhead(bulkhead) => {
                    let settings = bulkhead.settings();
                    let config = settings.config();
                    found.waits.push(("bulkhead", config.max_wait));
                    found.places = Some((config.max_wait, config.max_queue));
                    found.learns = bulkhead.is_adaptive();
                }
                Stage::Scopes(_) | Stage::Throttle(_) | Stage::Hedge(_) | Stage::Pool(_) => {}
            }
        }
        found.outside &= found.breaker;
        found
    }

    fn retries(&self, doubts: &mut Vec<Doubt>) {
        let attempts = self.attempts;
        if attempts < 2 {
            return;
        }
        if !self.outside && self.endpoints > 1 {
            doubts.push(Doubt::RetryStays);
        } else if self.outside && self.endpoints == 1 {
            doubts.push(Doubt::RetryOutsideCircuit { attempts });
        }
        if let (Some(timeout), Some(deadline)) = (self.timeout, self.deadline)
            && timeout <= deadline
            && timeout.saturating_mul(attempts) > deadline
        {
            doubts.push(Doubt::AttemptsOutlastDeadline { timeout, attempts, deadline });
        }
        if self.without_budget {
            doubts.push(Doubt::RetryWithoutBudget);
        }
        if self.learns && !self.outside {
            doubts.push(Doubt::LimitSeesRetries);
        }
    }

    fn waits(&self, doubts: &mut Vec<Doubt>) {
        for (stage, wait) in self.waits.iter().copied() {
            if let Some(deadline) = self.deadline.filter(|deadline| wait > *deadline) {
                doubts.push(Doubt::WaitOutlastsDeadline { stage, wait, deadline });
            }
        }
        match self.places {
            Some((Duration::ZERO, queue @ 1..)) => doubts.push(Doubt::QueueNeverFills { queue }),
            Some((wait, 0)) if !wait.is_zero() => doubts.push(Doubt::WaitNeverWaited { wait }),
            _ => {}
        }
    }
}

/// What is doubtful about a pipeline before circuits with these settings; `None` where they are somebody else's to judge.
pub fn doubts(pipeline: &Pipeline, circuit: Option<&Settings>) -> Vec<Doubt> {
    let found = Found::of(pipeline);
    let mut doubts = Vec::new();
    if let Some(settings) = circuit.filter(|_| found.breaker) {
        doubts.extend(settings.warnings().into_iter().map(Doubt::Circuit));
        if let (Some(slow), Some(timeout)) = (settings.slow_call_duration(), found.timeout)
            && slow > timeout
        {
            doubts.push(Doubt::NeverSlow { slow, timeout });
        }
    }
    if found.breaker && !found.fallback {
        doubts.push(Doubt::NoFallback);
    }
    match (found.timeout, found.deadline) {
        (None, None) => doubts.push(Doubt::NoTimeout),
        (None, Some(deadline)) => doubts.push(Doubt::DeadlineAlone { deadline }),
        (Some(timeout), Some(deadline)) if timeout > deadline => {
            doubts.push(Doubt::TimeoutOutlastsDeadline { timeout, deadline });
        }
        _ => {}
    }
    found.retries(&mut doubts);
    found.waits(&mut doubts);
    if found.regions {
        doubts.push(Doubt::RegionUnnamed);
    }
    doubts
}
