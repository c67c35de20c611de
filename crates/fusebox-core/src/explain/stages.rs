//! Stages in words. What only a driver knows, such as the name of the header that tells callers apart, it says itself.

use super::words::{percent, span};
use crate::balancer::{self, Balancer};
use crate::hedge::After;
use crate::pipeline::{FallbackOn, Stage};
use crate::retry::Jitter;
use crate::{bulkhead, limiter, retry, scope};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// What a stage does, a line each; none for the breaker, whose circuits a driver knows.
pub fn stage(stage: &Stage) -> Vec<String> {
    match stage {
        Stage::Fallback(FallbackOn::Failed) => vec!["answers a rejection or a failure".into()],
        Stage::Fallback(FallbackOn::Rejected) => vec!["answers a rejection".into()],
        Stage::RateLimiter(limiter) => vec![quota(limiter.settings().config(), "")],
        Stage::Deadline(nanos) => vec![format!("{} for the whole call", span(Duration::from_nanos(*nanos)))],
        Stage::Scopes(scopes) => vec![scopes_(scopes.settings().config())],
        Stage::Pick(balancer) => balance(balancer),
        Stage::Throttle(_) => {
            vec!["sends fewer calls while the endpoints refuse many, the least important fewest".into()]
        }
        Stage::Bulkhead(places_) => {
            vec![places(places_.settings().config(), "calls", places_.is_adaptive(), "")]
        }
        Stage::Breaker => Vec::new(),
        Stage::Retry { settings, .. } => vec![attempts(settings.config())],
        Stage::Hedge(policy) => vec![hedge(policy.settings().config())],
        Stage::Pool(threads) => vec![places(threads.settings().config(), "threads", false, "")],
        Stage::Timeout(nanos) => vec![format!("{} for one attempt", span(Duration::from_nanos(*nanos)))],
        Stage::AdaptiveTimeout(timeout) => {
            let most = span(timeout.settings().config().longest());
            vec![format!("worked out from the latest attempts, {most} at the most")]
        }
    }
}

fn scopes_(config: &scope::Config) -> String {
    format!(
        "the service's circuit, and the tenant's where there is one, before those of endpoints: a failure is a wider \
         scope's when {} of the others fail too",
        percent(config.breadth)
    )
}

/// What a quota allows; `whose` follows the quota, as in ` for each value of x-tenant`.
pub fn quota(config: &limiter::Config, whose: &str) -> String {
    let limiter::Config { permits, per, burst, max_wait, .. } = *config;
    let over = if max_wait.is_zero() {
        "more are refused".into()
    } else {
        format!("more wait up to {} for their turn", span(max_wait))
    };
    format!("{permits} calls in {}{whose}, up to {burst} at once; {over}", span(per))
}

/// How many may be under way, of what, and who waits; `whose` ends it, as in `; no value of x-tenant has them all`.
pub fn places(config: &bulkhead::Config, unit: &str, adaptive: bool, whose: &str) -> String {
    let most = config.max_concurrent;
    let places = if adaptive {
        format!("as many {unit} at once as latency or refusals show to be right, up to {most}")
    } else {
        format!("{most} {unit} at once")
    };
    let more = if config.max_queue == 0 || config.max_wait.is_zero() {
        "more are refused".into()
    } else {
        let order = match config.order {
            bulkhead::QueueOrder::Fifo => "fifo",
            bulkhead::QueueOrder::Lifo => "lifo",
        };
        format!("{} more wait up to {}, {order}", config.max_queue, span(config.max_wait))
    };
    let shed = if config.shares == [1.0; 4] { "" } else { "; the least important calls are shed first" };
    format!("{places}; {more}{whose}{shed}")
}

/// How many connections an endpoint may have, and who waits for one.
pub fn connections(per_endpoint: u64, max_wait: Duration, max_queue: u32) -> String {
    match max_queue {
        0 => format!("{per_endpoint} to each endpoint; more calls are refused"),
        queue => {
            format!("{per_endpoint} to each endpoint; {queue} calls more wait up to {}", span(max_wait))
        }
    }
}

/// How often a call is made, after which waits, under which budget.
pub fn attempts(retry: &retry::Config) -> String {
    let backoff = retry.backoff;
    let waits = format!("{} \u{d7}{} up to {}", span(backoff.base), backoff.multiplier, span(backoff.max));
    let budget = retry.budget.map_or("no budget".into(), |budget| {
        format!("budget {} of first tries + {}/s", percent(budget.ratio), budget.floor_per_second)
    });
    let jitter = match backoff.jitter {
        Jitter::None => "none",
        Jitter::Equal => "equal",
        Jitter::Full => "full",
    };
    format!("up to {} attempts; waits {waits}, jitter {jitter}; {budget}", retry.max_attempts)
}

/// When a second attempt goes beside a slow one.
pub fn hedge(config: &crate::hedge::Config) -> String {
    let after = match config.after {
        After::Fixed(after) => span(after),
        After::Percentile { percentile, min, max, .. } => {
            format!("as long as {} of the calls take, {} to {}", percent(percentile), span(min), span(max))
        }
    };
    let budget = config.budget;
    let shares = format!("{} of first tries + {}/s", percent(budget.ratio), budget.floor_per_second);
    format!("a second attempt beside one that takes {after}, if it is safe to repeat; budget {shares}")
}

/// How an endpoint is chosen, and what makes one better than another.
fn balance(balancer: &Balancer) -> Vec<String> {
    let config = balancer.settings().config();
    let strategy = config.strategy.as_str().replace('_', " ");
    let endpoints = match balancer.endpoints() {
        1 => "1 endpoint".into(),
        more => format!("{more} endpoints"),
    };
    let mut lines = vec![format!("{strategy} over {endpoints}")];
    lines.extend(regions(config));
    let fleet = balancer.endpoints();
    if let Some(rules) = config.outliers.as_ref().filter(|rules| fleet >= rules.minimum_endpoints as usize) {
        lines.push(format!(
            "an endpoint much worse than the others is out for {}, longer each time; never more than {} of them",
            span(rules.base_ejection),
            percent(rules.max_ejected)
        ));
    }
    lines
}

fn regions(config: &balancer::Config) -> Option<String> {
    let ours = config.region.as_ref()?;
    let (here, there) = (span(config.slow_same_region), span(config.slow_other_region));
    let next: String = config.other_regions.iter().map(|region| format!(", then {region}")).collect();
    Some(format!(
        "{ours} is our region{next}; calls go farther when less than {} of what is nearer is fit, or as its latency \
         nears {here} (in other regions {there})",
        percent(config.spill_over)
    ))
}
