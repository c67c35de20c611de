//! What stands before a route, setting by setting, and what no mesh has of it.

use fusebox_core::breaker::{
    CancelCountsAs, HalfOpen, Preset, RunMode, SlowCountsAs, StreakReset, WaitStrategy, Window,
};
use fusebox_core::explain::span;
use fusebox_core::hedge::After;
use fusebox_core::pipeline::Order;
use fusebox_proxy::config::{BulkheadPlan, Counts, FallbackItem, Key, Policies, Route, Service};

/// A setting in force.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key, as in the file.
    pub(crate) key: &'static str,
    /// Its value.
    pub(crate) here: String,
    /// What is lost where nothing corresponds.
    pub(crate) lost: &'static str,
}

#[derive(Default)]
struct Settings(Vec<Setting>);

impl Settings {
    fn add(&mut self, key: &'static str, here: impl Into<String>, lost: &'static str) {
        self.0.push(Setting { key, here: here.into(), lost });
    }

    fn maybe(&mut self, key: &'static str, here: Option<String>, lost: &'static str) {
        self.0.extend(here.map(|here| Setting { key, here, lost }));
    }
}

/// The settings of `route`, in the order of the documentation.
pub(crate) fn of(service: &Service, route: &Route) -> Vec<Setting> {
    let (mut all, policies) = (Settings::default(), &route.policies);
    if policies.circuit == route.name {
        breaker(&mut all, policies);
    } else {
        all.add("breaker", format!("the circuits of {}", policies.circuit), "");
    }
    around(&mut all, policies);
    before(&mut all, service, policies);
    all.0
}

fn breaker(all: &mut Settings, policies: &Policies) {
    let (settings, preset) = (&policies.breaker, policies.preset);
    let config = settings.config();
    let name = Preset::ALL.iter().find(|(_, known)| *known == preset).map_or("default", |(name, _)| name);
    all.add("breaker.preset", name, "a preset is its values, below");
    let window = match config.window {
        Window::Calls(calls) => format!("{calls} calls"),
        Window::Time(time) => span(time),
    };
    all.add("breaker.window", window, "nothing is remembered but failures in a row");
    let count = |n: u32| n.to_string();
    all.maybe("breaker.consecutive_failures", config.consecutive_failures.map(count), "the rule");
    all.maybe("breaker.failure_count", config.failure_count.map(count), "the rule");
    all.maybe("breaker.failure_rate", config.failure_rate.map(share), "half of the calls may fail for ever");
    all.add("breaker.minimum_calls", count(config.minimum_calls), "there is no rate to need evidence for");
    let slow = settings.slow_call_duration();
    all.maybe("breaker.slow_call_duration", slow.map(span), "an answer is an answer, however late");
    all.maybe("breaker.slow_call_rate", config.slow_call_rate.map(share), "slowness ejects nobody");
    let counts = if config.slow_counts_as == SlowCountsAs::Failure { "failure" } else { "rate" };
    all.add("breaker.slow_counts_as", counts, "slowness counts as nothing");
    let hung = if settings.watches_hung_calls() { "on" } else { "off" };
    all.add("breaker.hung_calls", hung, "a call counts when it has ended, not before");
    let wait = &config.wait_in_open;
    let strategy = match wait.strategy {
        WaitStrategy::Fixed(always) => span(always),
        WaitStrategy::Exponential { base, multiplier, max } => {
            format!("{} x {multiplier} up to {}", span(base), span(max))
        }
        WaitStrategy::Adaptive { base, max, .. } => format!("learned, {} to {}", span(base), span(max)),
    };
    let jitter = crate::export::circuits::round(wait.jitter * 100.0);
    all.add("breaker.wait_in_open", format!("{strategy}, +-{jitter}%"), "the wait");
    let probes = count(config.half_open_probes);
    all.add("breaker.half_open_probes", probes, "there is no half-open: all the traffic comes back at once");
    let verdict = match config.half_open {
        HalfOpen::Count { success_threshold, probe_failures } => {
            format!("{success_threshold} good close, {probe_failures} bad open")
        }
        HalfOpen::Sample { sample, failure_rate } => {
            format!("{sample} probes, fewer than {} bad", share(failure_rate))
        }
    };
    all.add("breaker.half_open", verdict, "time alone takes an endpoint back, whether it is well or not");
    let lease = span(settings.probe_lease());
    all.add("breaker.probe_lease", lease, "there are no probes");
    all.maybe("breaker.half_open_limit", config.half_open_limit.map(span), "there is no half-open");
    let reset = match config.streak_reset {
        StreakReset::AfterWaits(waits) => format!("after {waits} waits"),
        StreakReset::AtClose => "at_close".into(),
    };
    all.add("breaker.streak_reset", reset, "the mesh has a rule of its own for shorter waits");
    let ramp = config.recovery_ramp.map(|ramp| format!("{} over {}", share(ramp.from), span(ramp.over)));
    all.maybe("breaker.recovery_ramp", ramp, "everyone is back at once");
    let shadow = (config.mode == RunMode::Shadow).then(|| "shadow".into());
    all.maybe("breaker.mode", shadow, "it ejects for real: leave the rule out to try it");
    let part = (config.enforcement < 1.0).then(|| share(config.enforcement));
    all.maybe("breaker.enforcement", part, "it holds for everyone");
    let cancelled = (config.cancel_counts_as == CancelCountsAs::Failure).then(|| "failure".into());
    all.maybe("breaker.cancel_counts_as", cancelled, "a client that goes counts as nothing");
    let key = policies.breaker_key.as_ref().map(key);
    all.maybe("breaker.key", key, "one broken tenant ejects the endpoint for all of them");
}

/// What stands around the breaker.
fn around(all: &mut Settings, policies: &Policies) {
    let order = Order::ALL.iter().find(|(_, known)| *known == policies.order);
    all.add("order", order.map_or("", |(name, _)| name), "the mesh's own");
    all.maybe("deadline", policies.deadline.map(span), "retries may go on for longer");
    let timeout = policies.call_timeout.map(|longest| match policies.adaptive_timeout {
        Some(_) => format!("adaptive, up to {}", span(longest)),
        None => span(longest),
    });
    all.maybe("call_timeout", timeout, "attempts have no end");
    if let Some(retry) = &policies.retry {
        let (config, backoff) = (retry.config(), retry.config().backoff);
        all.add("retry.max_attempts", config.max_attempts.to_string(), "no retry");
        let waits = format!("{} x {} up to {}", span(backoff.base), backoff.multiplier, span(backoff.max));
        all.add("retry.backoff", waits, "the mesh has its own");
        let budget = config.budget.map(|b| format!("{}, {}/s besides", share(b.ratio), b.floor_per_second));
        all.maybe("retry.budget", budget, "retries multiply the load on what is down");
        all.add("idempotency_key", policies.idempotency_key.as_str(), "POST is never retried, or always");
        let kept = format!("{} bytes", policies.max_replay_bytes);
        all.add("max_replay_bytes", kept, "the mesh's own limit");
    }
    let hedge = policies.hedge.map(|hedge| match hedge.config().after {
        After::Fixed(after) => format!("after {}", span(after)),
        After::Percentile { percentile, .. } => format!("after the {} of latencies", share(percentile)),
    });
    all.maybe("hedge", hedge, "no second attempt beside a slow one");
    let items = policies.fallback.as_ref().map(|fallback| {
        let items: Vec<_> = fallback.list.iter().map(item).collect();
        items.join(", else ")
    });
    all.maybe("fallback", items, "callers get a bare 503: what to answer stays with fusebox");
}

/// What stands before the circuits, and where calls go.
fn before(all: &mut Settings, service: &Service, policies: &Policies) {
    let quota = policies.rate_limiter.as_ref().map(|limiter| {
        let config = limiter.settings.config();
        let each = limiter.key.as_ref().map(|k| format!(" by {}", key(k))).unwrap_or_default();
        format!("{} per {}{each}", config.permits, span(config.per))
    });
    all.maybe("rate_limiter", quota, "no quota; the mesh's rate limits are another resource");
    let throttle = policies.throttle.map(|_| "adaptive".into());
    all.maybe("throttle", throttle, "no client sends less to what refuses much");
    all.maybe("bulkhead", policies.bulkhead.as_ref().map(places), "calls under way have no bound");
    let priority = policies.priority.as_ref().map(|rule| format!("header {}", rule.header));
    all.maybe("priority", priority, "all calls are alike");
    let connections = policies.max_connections.map(|limit| format!("{} to each", limit.per_endpoint));
    all.maybe("max_connections", connections, "connections have no bound");
    let scopes = policies.scopes.as_ref().map(|plan| match &plan.tenant {
        Some(tenant) => format!("service, tenants by {}", key(tenant)),
        None => "service".into(),
    });
    all.maybe("scopes", scopes, "only endpoints are judged: no service, no tenants");
    let health = policies.health.as_ref().map(|h| format!("{} every {}", h.path, span(h.interval)));
    all.maybe("health", health, "nobody asks; on Kubernetes a readiness probe does");
    if service.endpoints.len() > 1 {
        let config = policies.balancer.config();
        let mut here = config.strategy.as_str().to_owned();
        if let Some(region) = &config.region {
            here += &format!(" in {region}");
        }
        all.add("balancer", here, "the mesh's own");
        let outliers =
            config.outliers.map(|rule| format!("against the others, every {}", span(rule.interval)));
        all.maybe("balancer.outliers", outliers, "nobody is compared to the others");
    }
}

fn places(plan: &BulkheadPlan) -> String {
    let config = plan.settings.config();
    let unit = if plan.counts == Counts::Bytes { "bytes" } else { "calls" };
    let adaptive = if plan.adaptive.is_some() { ", adaptive" } else { "" };
    format!(
        "{} {unit}{adaptive}, {} wait up to {}",
        config.max_concurrent,
        config.max_queue,
        span(config.max_wait)
    )
}

fn item(item: &FallbackItem) -> String {
    match item {
        FallbackItem::Cached { .. } => "a kept answer".into(),
        FallbackItem::Service { name } => format!("service {name}"),
        FallbackItem::Region => "other regions".into(),
        FallbackItem::Queue(_) => "deferred".into(),
        FallbackItem::Static { status, .. } => format!("a fixed {}", status.as_u16()),
    }
}

fn key(key: &Key) -> String {
    let Key::Header(name) = key;
    format!("header {name}")
}

fn share(share: f64) -> String {
    format!("{}%", crate::export::circuits::round(share * 100.0))
}
