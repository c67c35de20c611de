//! The plan as a person reads it: the chain of each route, in order, with what each stage does.

use super::breaker::preset_name;
use super::bulkhead;
use super::chain::{BulkheadPlan, ConnectionLimit, Counts, HealthCheck, Limiter, Policies};
use super::duration::show;
use super::plan::{Endpoint, Key, Match, Plan, Route, Service};
use super::retry::jitter_name;
use super::spare::{CacheScope, Fallback, FallbackItem};
use fusebox_core::Time;
use fusebox_core::breaker::{
    CancelCountsAs, Config, HalfOpen, RunMode, SlowCountsAs, StreakReset, WaitStrategy, Window,
};
use fusebox_core::hedge::{self, After};
use fusebox_core::pipeline::{FallbackOn, Pipeline, Stage};
use fusebox_core::{balancer, limiter, retry};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use std::fmt::{self, Write};

/// Columns of a terminal that text is fitted to.
const WIDTH: usize = 100;
/// A space at which a line is not broken.
const HARD_SPACE: char = '\u{a0}';
/// Where a stage's text begins.
const INDENT: usize = 14;

impl Plan {
    /// The chain of each service and route, in order, with the settings of each stage, then the warnings.
    pub fn explain(&self) -> String {
        let mut page = Page(String::new());
        page.item("admin", &self.admin.map_or("off".into(), |admin| admin.to_string()));
        for listener in &self.listeners {
            page.item("listener", &listener.to_string());
        }
        for service in &self.services {
            for route in service.own_route().into_iter().chain(service.inner_routes()) {
                page.route(service, route);
            }
        }
        if !self.warnings.is_empty() {
            page.0.push_str("\nwarnings\n");
            self.warnings.iter().for_each(|warning| page.wrapped("  ", 4, warning));
        }
        page.0
    }
}

struct Page(String);

impl Page {
    fn item(&mut self, name: &str, text: &str) {
        self.wrapped(&format!("{name:INDENT$}"), INDENT, text);
    }

    fn stage(&mut self, name: &str, text: &str) {
        self.wrapped(&format!("  {name:0$}", INDENT - 2), INDENT, text);
    }

    /// `text` after `first`, its further lines indented, broken between words.
    fn wrapped(&mut self, first: &str, indent: usize, text: &str) {
        self.0.push_str(first);
        let mut column = first.chars().count();
        for (i, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if i > 0 && column + 1 + length > WIDTH {
                self.0.push('\n');
                self.0.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if i > 0 {
                self.0.push(' ');
                column += 1;
            }
            self.0.extend(word.chars().map(|c| if c == HARD_SPACE { ' ' } else { c }));
            column += length;
        }
        self.0.push('\n');
    }

    fn route(&mut self, service: &Service, route: &Route) {
        let policies = &route.policies;
        let _ = write!(self.0, "\n{}  {}\n", route.name, route.matches);
        let pipeline = Pipeline::new(policies.pipeline(&service.endpoints, Time::ZERO));
        let names = pipeline.stages().iter().map(Stage::name).chain(["Service"]);
        self.wrapped("  ", 2, &names.collect::<Vec<_>>().join(" \u{203a} "));
        for stage in pipeline.stages() {
            match stage {
                Stage::Fallback(_) => {
                    policies.fallback.iter().for_each(|fallback| self.stage("Fallback", &answer(fallback)));
                }
                Stage::Pick(balancer) => {
                    let config = balancer.settings().config();
                    let strategy = config.strategy.as_str().replace('_', " ");
                    let many = if balancer.endpoints() == 1 {
                        "1 endpoint".into()
                    } else {
                        format!("{} endpoints", balancer.endpoints())
                    };
                    self.stage("Balancer", &format!("{strategy} over {many}"));
                    near(config, policies, service).iter().for_each(|line| self.stage("", line));
                }
                Stage::Breaker => self.breaker(service, route),
                Stage::Retry { settings, .. } => self.stage("Retry", &attempts(settings.config())),
                Stage::Deadline(_) => {
                    let end = policies.deadline.map(show).unwrap_or_default();
                    self.stage("Deadline", &format!("{end} for the whole call"));
                }
                Stage::Timeout(_) => {
                    let end = policies.call_timeout.map(show).unwrap_or_default();
                    self.stage("Timeout", &format!("{end} for one attempt"));
                }
                Stage::AdaptiveTimeout(_) => {
                    let most = policies.call_timeout.map(show).unwrap_or_default();
                    self.stage(
                        "Timeout",
                        &format!("worked out from the latest attempts, {most} at the most"),
                    );
                }
                Stage::RateLimiter(_) => {
                    policies.rate_limiter.iter().for_each(|plan| self.stage("RateLimiter", &quota(plan)));
                }
                Stage::Throttle(_) => self.stage(
                    "Throttle",
                    "sends fewer calls while the endpoints refuse many, the least important fewest",
                ),
                Stage::Bulkhead(_) => {
                    policies.bulkhead.iter().for_each(|plan| self.stage("Bulkhead", &places(plan)));
                }
                Stage::Hedge(_) => {
                    policies.hedge.iter().for_each(|hedge| self.stage("Hedge", &beside(hedge)))
                }
                other => self.stage(other.name(), "on"),
            }
        }
        if let Some(limit) = &policies.max_connections {
            self.stage("Connections", &connections(limit));
        }
        let endpoints: Vec<_> = service.endpoints.iter().map(Endpoint::to_string).collect();
        self.stage("Service", &endpoints.join(", "));
    }

    fn breaker(&mut self, service: &Service, route: &Route) {
        let policies = &route.policies;
        if policies.circuit != route.name {
            return self.stage("Breaker", &format!("the circuits of {}", policies.circuit));
        }
        let settings = &policies.breaker;
        let config = settings.config();
        self.stage("Breaker", &format!("preset {}; {}", preset_name(policies.preset), trips(config)));
        if let Some(slow) = settings.slow_call_duration() {
            let hung = if settings.watches_hung_calls() { ", those in flight included" } else { "" };
            let failure =
                if config.slow_counts_as == SlowCountsAs::Failure { ", and then also failed" } else { "" };
            self.stage("", &format!("a call is slow from {} on{hung}{failure}", show(slow)));
        }
        self.stage("", &format!("stays open {}; {}", wait(config), streak(config)));
        self.stage("", &probes(config, &show(settings.probe_lease())));
        if let Some(ramp) = config.recovery_ramp {
            let (from, over) = (ramp.from * 100.0, show(ramp.over));
            self.stage("", &format!("closed again, it lets {from} % through, and all after {over}"));
        }
        if config.mode == RunMode::Shadow {
            self.stage("", "shadow: it measures and reports, and refuses nothing");
        } else if config.enforcement < 1.0 {
            self.stage("", &format!("enforced for {} % of the calls", config.enforcement * 100.0));
        }
        if config.cancel_counts_as == CancelCountsAs::Failure {
            self.stage("", "a cancelled call counts as failed");
        }
        let circuits = service.endpoints.iter().map(|endpoint| policies.circuit_name(service, endpoint));
        let mut circuits = circuits.collect::<Vec<_>>().join(", ");
        if let Some(Key::Header(header)) = &policies.breaker_key {
            let _ = write!(circuits, ", each by {header}, at most {}", policies.max_circuits);
        }
        let one = service.endpoints.len() == 1 && policies.breaker_key.is_none();
        self.stage("", &format!("{} {circuits}", if one { "circuit" } else { "circuits" }));
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host.as_deref().unwrap_or(""), self.path_prefix)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base_path)?;
        match (&self.region, &self.zone) {
            (Some(place), None) | (None, Some(place)) => write!(f, " ({place})"),
            (Some(region), Some(zone)) => write!(f, " ({region}/{zone})"),
            (None, None) => Ok(()),
        }
    }
}

fn answer(fallback: &Fallback) -> String {
    let on = match fallback.on {
        FallbackOn::Failed => "on a rejection or a failure",
        FallbackOn::Rejected => "on a rejection",
    };
    let items: Vec<_> = fallback.list.iter().map(spare).collect();
    format!("{on}: {}", items.join(", else "))
}

/// One that may have an answer.
fn spare(item: &FallbackItem) -> String {
    match item {
        FallbackItem::Cached { fresh, stale, scope, .. } => {
            let whose = match scope {
                CacheScope::Shared => "everyone's".into(),
                CacheScope::Header(names) => {
                    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
                    format!("each {}'s own", names.join(" and "))
                }
            };
            format!("what was kept, {whose}: {} fresh, then {} stale", show(*fresh), show(*stale))
        }
        FallbackItem::Service { name } => format!("the service {name}"),
        FallbackItem::Region => "the endpoints of other regions".into(),
        FallbackItem::Static { status, headers, body } => {
            let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let size = body.len();
            match kind {
                Some(kind) => format!("{} with {size} bytes of {kind}", status.as_u16()),
                None => format!("{} with {size} bytes", status.as_u16()),
            }
        }
    }
}

/// What a balancer makes of regions, of outliers and of health.
fn near(config: &balancer::Config, policies: &Policies, service: &Service) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(ours) = &config.region {
        let (here, there) = (show(config.slow_same_region), show(config.slow_other_region));
        let next: String = config.other_regions.iter().map(|region| format!(", then {region}")).collect();
        lines.push(format!(
            "{ours} is our region{next}; calls go farther when less than {} of what is nearer is fit, or as its latency \
             nears {here} (in other regions {there})",
            percent(config.spill_over)
        ));
    }
    let fleet = service.endpoints.len();
    if let Some(rules) = config.outliers.as_ref().filter(|rules| fleet >= rules.minimum_endpoints as usize) {
        lines.push(format!(
            "an endpoint much worse than the others is out for {}, longer each time; never more than {} of them",
            show(rules.base_ejection),
            percent(rules.max_ejected)
        ));
    }
    if let Some(HealthCheck { path, interval, timeout, healthy_after, unhealthy_after, expect }) =
        &policies.health
    {
        lines.push(format!(
            "asks each for {path} every {}: out after {unhealthy_after} bad answers (not {} to {}, or none in {}), \
             back after {healthy_after} good ones",
            show(*interval),
            expect.start(),
            expect.end(),
            show(*timeout)
        ));
    }
    lines
}

/// How many connections an endpoint has.
fn connections(limit: &ConnectionLimit) -> String {
    let ConnectionLimit { per_endpoint, max_wait, max_queue } = *limit;
    let more = match max_queue {
        0 => "more calls are refused".into(),
        queue => format!("{queue} calls more wait up to {}", show(max_wait)),
    };
    format!("{per_endpoint} to each endpoint; {more}")
}

fn attempts(retry: &retry::Config) -> String {
    let backoff = retry.backoff;
    let waits = format!("{} \u{d7}{} up to {}", show(backoff.base), backoff.multiplier, show(backoff.max));
    let budget = retry.budget.map_or("no budget".into(), |budget| {
        format!("budget {} of first tries + {}/s", percent(budget.ratio), budget.floor_per_second)
    });
    let attempts = retry.max_attempts;
    format!("up to {attempts} attempts; waits {waits}, jitter {}; {budget}", jitter_name(backoff.jitter))
}

fn trips(config: &Config) -> String {
    let window = match config.window {
        Window::Calls(calls) => format!("the last {calls} calls"),
        Window::Time(span) => show(span),
    };
    let mut rules = Vec::new();
    rules.extend(config.consecutive_failures.map(|run| format!("{run} failures in a row")));
    rules.extend(config.failure_count.map(|count| format!("{count} failures in {window}")));
    let shares = [(config.failure_rate, "failed"), (config.slow_call_rate, "slow")];
    let shares = shares.into_iter().filter_map(|(rate, what)| Some(format!("{} {what}", percent(rate?))));
    let shares = shares.collect::<Vec<_>>().join(" or ");
    if !shares.is_empty() {
        rules.push(format!("{shares} of {} or more calls in {window}", config.minimum_calls));
    }
    format!("opens at {}", rules.join(", at "))
}

fn wait(config: &Config) -> String {
    let wait = &config.wait_in_open;
    let rule = match wait.strategy {
        WaitStrategy::Fixed(span) => show(span),
        WaitStrategy::Exponential { base, multiplier, max } => {
            format!("{}, next time \u{d7}{multiplier}, up to {}", show(base), show(max))
        }
        WaitStrategy::Adaptive { percentile, base, max } => {
            let (base, max) = (show(base), show(max));
            format!("as long as {} of its recoveries took, {base} to {max}", percent(percentile))
        }
    };
    if wait.jitter > 0.0 { format!("{rule}, \u{b1}{}", percent(wait.jitter)) } else { rule }
}

fn streak(config: &Config) -> String {
    match config.streak_reset {
        StreakReset::AtClose => "a close ends the streak".into(),
        StreakReset::AfterWaits(waits) => format!("{waits} waits closed end the streak"),
    }
}

fn probes(config: &Config, lease: &str) -> String {
    let verdict = match config.half_open {
        HalfOpen::Count { success_threshold, probe_failures } => {
            format!("closes at {success_threshold} good, opens at {probe_failures} bad")
        }
        HalfOpen::Sample { sample, failure_rate } => {
            format!("closes when less than {} of {sample} were bad", percent(failure_rate))
        }
    };
    let limit = config.half_open_limit.map(|limit| format!(", {} for all", show(limit))).unwrap_or_default();
    let probes = match config.half_open_probes {
        1 => "1 probe".into(),
        more => format!("{more} probes"),
    };
    format!("then {probes} at once, {lease} each{limit}; {verdict}")
}

fn percent(share: f64) -> String {
    format!("{}{HARD_SPACE}%", (share * 1_000_000.0).round() / 10_000.0)
}

/// What a quota allows.
fn quota(plan: &Limiter) -> String {
    let limiter::Config { permits, per, burst, max_wait, .. } = *plan.settings.config();
    let whose = match &plan.key {
        Some(Key::Header(name)) => format!(" for each value of {name}"),
        None => String::new(),
    };
    let over = if max_wait.is_zero() {
        "more are refused".into()
    } else {
        format!("more wait up to {} for their turn", show(max_wait))
    };
    format!("{permits} calls in {}{whose}, up to {burst} at once; {over}", show(per))
}

/// When a second attempt goes beside a slow one.
fn beside(settings: &hedge::Settings) -> String {
    let hedge::Config { after, budget } = settings.config();
    let after = match *after {
        After::Fixed(after) => show(after),
        After::Percentile { percentile: share, min, max, .. } => {
            format!("as long as {} of the calls take, {} to {}", percent(share), show(min), show(max))
        }
    };
    let shares = format!("{} of first tries + {}/s", percent(budget.ratio), budget.floor_per_second);
    format!("a second attempt beside one that takes {after}, if it is safe to repeat; budget {shares}")
}

/// How many may be under way, and who waits.
fn places(plan: &BulkheadPlan) -> String {
    let config = plan.settings.config();
    let unit = match plan.counts {
        Counts::Calls => "calls",
        Counts::Bytes => "bytes of request bodies",
    };
    let mut text = match plan.adaptive {
        Some(_) => format!(
            "as many {unit} at once as latency or refusals show to be right, up to {}",
            config.max_concurrent
        ),
        None => format!("{} {unit} at once", config.max_concurrent),
    };
    if config.max_queue == 0 || config.max_wait.is_zero() {
        text.push_str("; more are refused");
    } else {
        let order = bulkhead::order_name(config.order);
        let _ = write!(text, "; {} more wait up to {}, {order}", config.max_queue, show(config.max_wait));
    }
    if let (Some(Key::Header(name)), Some(_)) = (&plan.key, config.max_per_key) {
        let _ = write!(text, "; no value of {name} has them all");
    }
    if config.shares != [1.0; 4] {
        text.push_str("; the least important calls are shed first");
    }
    text
}
