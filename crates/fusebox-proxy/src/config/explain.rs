//! The plan as a person reads it: the chain of each route, in order, with what each stage does.

use super::admin::AdminPlan;
use super::breaker::preset_name;
use super::chain::{BulkheadPlan, Counts, HealthCheck, Limiter};
use super::duration::show;
use super::levels::{Levels, RedisPlan};
use super::plan::{Endpoint, Key, Match, Plan, Route, Service};
use super::queue::{Defer, QueuePlan};
use super::spare::{CacheScope, Fallback, FallbackItem};
use fusebox_core::Time;
use fusebox_core::explain::{self, Page};
use fusebox_core::pipeline::{FallbackOn, Pipeline, Stage};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use std::fmt::{self, Write};
use std::path::PathBuf;

impl Plan {
    /// The chain of each service and route, in order, with the settings of each stage, then the warnings.
    pub fn explain(&self) -> String {
        let mut page = Page::default();
        match &self.admin {
            None => page.item("admin", "off"),
            Some(admin) => interface(&mut page, admin),
        }
        for listener in &self.listeners {
            page.item("listener", &listener.to_string());
        }
        self.queue.iter().for_each(|queue| keeps(&mut page, queue));
        for service in &self.services {
            for route in service.own_route().into_iter().chain(service.inner_routes()) {
                tell(&mut page, service, route);
            }
        }
        if !self.warnings.is_empty() {
            page.line("\nwarnings");
            self.warnings.iter().for_each(|warning| page.wrapped("  ", 4, warning));
        }
        page.into_text()
    }
}

/// Where operators ask, and who may.
fn interface(page: &mut Page, admin: &AdminPlan) {
    let scheme = if admin.tls.is_some() { "https://" } else { "" };
    page.item("admin", &format!("{scheme}{}", admin.listen));
    let mut item = |name: &str, path: &Option<PathBuf>| {
        path.iter().for_each(|path| page.item("", &format!("{name} {}", path.display())));
    };
    item("tokens of", &admin.tokens);
    item("audit in", &admin.audit);
    item("histories in", &admin.history);
    item("open circuits and holds in", &admin.state);
    if admin.plain {
        page.item("", "tokens may go over the network in the clear");
    }
    if admin.trust_loopback {
        page.item("", "no token for who is on this machine");
    }
    if !admin.hosts.is_empty() {
        page.item("", &format!("also asked as {}", admin.hosts.join(", ")));
    }
}

fn tell(page: &mut Page, service: &Service, route: &Route) {
    let policies = &route.policies;
    page.line(&format!("\n{}  {}", route.name, route.matches));
    let pipeline = Pipeline::new(policies.pipeline(&service.endpoints, Time::ZERO));
    page.wrapped("  ", 2, &format!("{} \u{203a} Service", pipeline.describe()));
    for stage in pipeline.stages() {
        let lines = match stage {
            Stage::Fallback(_) => policies.fallback.iter().map(answer).collect(),
            Stage::Breaker => circuits(service, route),
            Stage::Scopes(_) => scopes(stage, service, route),
            Stage::RateLimiter(_) => policies.rate_limiter.iter().map(quota).collect(),
            Stage::Bulkhead(_) => policies.bulkhead.iter().map(places).collect(),
            Stage::Pick(_) => {
                let mut lines = explain::stage(stage);
                lines.extend(policies.health.as_ref().map(health));
                lines
            }
            other => explain::stage(other),
        };
        for (i, line) in lines.iter().enumerate() {
            page.stage(if i == 0 { stage.name() } else { "" }, line);
        }
    }
    if let Some(limit) = &policies.max_connections {
        let text = explain::connections(limit.per_endpoint, limit.max_wait, limit.max_queue);
        page.stage("Connections", &text);
    }
    let endpoints: Vec<_> = service.endpoints.iter().map(Endpoint::to_string).collect();
    page.stage("Service", &endpoints.join(", "));
}

fn keeps(page: &mut Page, queue: &QueuePlan) {
    let (limits, file, place) = (&queue.limits, &queue.place, &queue.status_path);
    let (items, bytes, window) = (limits.max_items, limits.max_bytes, show(limits.provider_window));
    let text = format!(
        "{file}, up to {items} calls and {bytes} bytes for each route; status at {place}/…; dependencies know a key \
         for {window}"
    );
    page.item("queue", &text);
    if let Some(told) = &queue.webhook {
        let events: Vec<_> = told.events.iter().map(|event| event.as_str()).collect();
        page.item("", &format!("tells {}{} when a call is {}", told.service, told.path, events.join(", ")));
    }
}

fn circuits(service: &Service, route: &Route) -> Vec<String> {
    let policies = &route.policies;
    if policies.circuit != route.name {
        return vec![format!("the circuits of {}", policies.circuit)];
    }
    let settings = &policies.breaker;
    let preset = preset_name(policies.preset);
    let mut lines = vec![format!("preset {preset}; {}", explain::opens(settings.config()))];
    lines.extend(explain::circuit(settings));
    let elsewhere = policies.breaker_elsewhere.slow_call_duration();
    let far = service.endpoints.iter().any(|endpoint| policies.is_elsewhere(endpoint));
    if let Some(slow) = elsewhere.filter(|slow| far && settings.slow_call_duration() != Some(*slow)) {
        lines.push(format!("in other regions a call is slow from {} on", show(slow)));
    }
    let names = service.endpoints.iter().map(|endpoint| policies.circuit_name(service, endpoint));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if let Some(Key::Header(header)) = &policies.breaker_key {
        let _ = write!(names, ", each by {header}, at most {}", policies.max_circuits);
    }
    let one = service.endpoints.len() == 1 && policies.breaker_key.is_none();
    lines.push(format!("{} {names}", if one { "circuit" } else { "circuits" }));
    lines
}

fn scopes(stage: &Stage, service: &Service, route: &Route) -> Vec<String> {
    let policies = &route.policies;
    let mut lines = explain::stage(stage);
    if service.endpoints.len() > 1 {
        lines.push(format!("circuit {}", policies.circuit));
    }
    let plan = policies.scopes.as_ref();
    if let Some((Key::Header(header), most)) =
        plan.and_then(|plan| Some((plan.tenant.as_ref()?, plan.max_tenants)))
    {
        lines.push(format!("circuits {}[tenant], by {header}, at most {most}", policies.circuit));
    }
    lines
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
        FallbackItem::Cached { fresh, stale, scope, levels, .. } => {
            let whose = match scope {
                CacheScope::Shared => "everyone's".into(),
                CacheScope::Header(names) => {
                    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
                    format!("each {}'s own", names.join(" and "))
                }
            };
            let (fresh, stale) = (show(*fresh), show(*stale));
            format!("what was kept, {whose}: {fresh} fresh, then {stale} stale{}", behind(levels))
        }
        FallbackItem::Service { name } => format!("the service {name}"),
        FallbackItem::Region => "the endpoints of other regions".into(),
        FallbackItem::Queue(defer) => {
            let Defer { check, expires_in, max_attempts, backoff, .. } = defer;
            let again = match check {
                Some(path) => format!("asks {path} before it sends again"),
                None => "sends the same key again".into(),
            };
            format!(
                "kept and made later, for {} and up to {max_attempts} attempts, at most {} apart; {again}",
                show(*expires_in),
                show(*backoff)
            )
        }
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

/// Where else kept answers are.
fn behind(levels: &Levels) -> String {
    let file = levels.persist.as_ref().map(|path| format!("; also in the file {}", path.display()));
    let redis = levels.redis.as_ref().map(|RedisPlan { address, timeout, prefix }| {
        format!("; shared at {address} under {prefix}, within {}", show(*timeout))
    });
    [file, redis].into_iter().flatten().collect()
}

/// How endpoints are asked whether they are well.
fn health(check: &HealthCheck) -> String {
    let HealthCheck { path, interval, timeout, healthy_after, unhealthy_after, expect } = check;
    format!(
        "asks each for {path} every {}: out after {unhealthy_after} bad answers (not {} to {}, or none in {}), \
         back after {healthy_after} good ones",
        show(*interval),
        expect.start(),
        expect.end(),
        show(*timeout)
    )
}

/// What a quota allows, and whom.
fn quota(plan: &Limiter) -> String {
    let whose = match &plan.key {
        Some(Key::Header(name)) => format!(" for each value of {name}"),
        None => String::new(),
    };
    explain::quota(plan.settings.config(), &whose)
}

/// How many may be under way, and who waits.
fn places(plan: &BulkheadPlan) -> String {
    let config = plan.settings.config();
    let unit = match plan.counts {
        Counts::Calls => "calls",
        Counts::Bytes => "bytes of request bodies",
    };
    let whose = match (&plan.key, config.max_per_key) {
        (Some(Key::Header(name)), Some(_)) => format!("; no value of {name} has them all"),
        _ => String::new(),
    };
    explain::places(config, unit, plan.adaptive.is_some(), &whose)
}
