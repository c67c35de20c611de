//! Linkerd: annotations for failure accrual on the Service, and an HTTPRoute for timeouts and retries.
//!
//! Not a ServiceProfile: Linkerd does no circuit breaking for a service that has one.

use super::kubernetes::{documents, host, name, path_match, resource};
use super::settings::Setting;
use super::{Fate, IDEMPOTENT, attempts, short, table, waits, whole};
use crate::export::yaml::{Yaml, list, map};
use fusebox_core::breaker::{RunMode, WaitStrategy};
use fusebox_proxy::config::{Plan, Policies, Route, Service};

const YOURS: &str = "#\n# The Services are there already: merge the annotations into them instead of applying what is here.\n";

/// The resources, with what is lost at their head.
pub(crate) fn resources(plan: &Plan) -> String {
    let all = plan.services.iter().flat_map(|service| {
        let routes = service.routes.iter().flat_map(move |route| http_routes(service, route));
        std::iter::once(accrual(service)).chain(routes)
    });
    table(plan, "Linkerd", fate) + YOURS + &documents(&all.collect::<Vec<_>>())
}

/// The Service's name in the cluster: the first label of its host, or the service's.
fn known_as(service: &Service) -> String {
    let host = host(service).and_then(|host| host.split('.').next());
    name(host.unwrap_or(&service.name))
}

fn port(service: &Service) -> u64 {
    service.endpoints.first().map_or(80, |endpoint| u64::from(endpoint.port))
}

/// The Service that is there already, with the annotations it needs.
fn accrual(service: &Service) -> Yaml {
    let annotations = service.own_route().and_then(|route| failures(&route.policies));
    let metadata = map([("name", known_as(service).into()), ("annotations", annotations.into())]);
    let ports = list([map([("name", "http".into()), ("port", port(service).into())])]);
    resource("v1", "Service", metadata, map([("ports", ports)]))
}

fn failures(policies: &Policies) -> Option<Yaml> {
    let config = policies.breaker.config();
    let most = config.consecutive_failures.or(config.failure_count)?;
    if config.mode == RunMode::Shadow {
        return None;
    }
    let (base, max) = waits(policies);
    let annotation =
        |what: &str, value: String| (format!("balancer.linkerd.io/failure-accrual{what}"), value.into());
    Some(map([
        annotation("", "consecutive".into()),
        annotation("-consecutive-max-failures", most.to_string()),
        annotation("-consecutive-min-penalty", short(base)),
        annotation("-consecutive-max-penalty", short(max)),
        annotation("-consecutive-jitter-ratio", format!("{:?}", config.wait_in_open.jitter)),
    ]))
}

/// A route for calls that may be repeated, and one for those that may not: annotations hold for a whole resource.
fn http_routes(service: &Service, route: &Route) -> Vec<Yaml> {
    let policies = &route.policies;
    let request =
        |span: Option<std::time::Duration>| ("timeout.linkerd.io/request".to_owned(), span.map(short).into());
    let mut all = Vec::new();
    if let Some(most) = attempts(policies) {
        let annotations = map([
            request(whole(policies, true)),
            ("retry.linkerd.io/http".to_owned(), "5xx".into()),
            ("retry.linkerd.io/limit".to_owned(), (most - 1).to_string().into()),
            ("retry.linkerd.io/timeout".to_owned(), policies.call_timeout.map(short).into()),
        ]);
        all.push(http_route(service, route, "-again", annotations, repeatable(route)));
    }
    all.push(http_route(service, route, "", map([request(whole(policies, false))]), path_match(route)));
    all
}

fn http_route(service: &Service, route: &Route, suffix: &str, annotations: Yaml, matches: Yaml) -> Yaml {
    let some = annotations != Yaml::Map(Vec::new());
    let metadata = map([
        ("name", format!("{}{suffix}", name(&route.name)).into()),
        ("annotations", Some(annotations).filter(|_| some).into()),
    ]);
    let parent = map([
        ("group", "core".into()),
        ("kind", "Service".into()),
        ("name", known_as(service).into()),
        ("port", port(service).into()),
    ]);
    let backend = map([("name", known_as(service).into()), ("port", port(service).into())]);
    let rule = map([("matches", matches), ("backendRefs", list([backend]))]);
    let host = route.matches.host.as_deref().map(|host| list([host.into()]));
    let spec = map([("parentRefs", list([parent])), ("hostnames", host.into()), ("rules", list([rule]))]);
    resource("gateway.networking.k8s.io/v1", "HTTPRoute", metadata, spec)
}

/// The calls that may be repeated: by their method, or by their key.
fn repeatable(route: &Route) -> Yaml {
    let path =
        map([("type", "PathPrefix".into()), ("value", Yaml::from(route.matches.path_prefix.as_str()))]);
    let by_method = IDEMPOTENT.map(|method| map([("path", path.clone()), ("method", method.into())]));
    let key = map([
        ("type", "RegularExpression".into()),
        ("name", route.policies.idempotency_key.as_str().into()),
        ("value", ".+".into()),
    ]);
    let by_key = map([("path", path.clone()), ("headers", list([key]))]);
    list(by_method.into_iter().chain([by_key]))
}

fn fate(setting: &Setting, service: &Service, policies: &Policies) -> Option<Fate> {
    let config = policies.breaker.config();
    let own = policies.circuit == service.name;
    match setting.key {
        "breaker" => Fate::new("the annotations of the Service", "nothing"),
        key if key.starts_with("breaker.") && !own => {
            Fate::new("", "failures are counted for the whole Service, not for a route")
        }
        "breaker.consecutive_failures" => Fate::new(
            format!("failure-accrual-consecutive-max-failures: {}", setting.here),
            "calls in flight do not count",
        ),
        "breaker.failure_count" if config.consecutive_failures.is_none() => Fate::new(
            format!("failure-accrual-consecutive-max-failures: {}", setting.here),
            "in a row, not within the window",
        ),
        "breaker.failure_rate" => {
            Fate::new("", "half of the calls may fail for ever; an experimental accrual, unified, has a rate")
        }
        "breaker.wait_in_open" => {
            let lost = match config.wait_in_open.strategy {
                WaitStrategy::Adaptive { .. } => "nothing is learned: the wait doubles",
                _ => "the wait always doubles",
            };
            Fate::new("min-penalty, max-penalty, jitter-ratio", lost)
        }
        "breaker.half_open_probes" => Fate::new("one probe", "always one"),
        "breaker.half_open" => Fate::new("one probe", "one good probe takes it back"),
        "breaker.mode" => Fate::new("no annotations", "nothing is measured"),
        "deadline" => Fate::new("timeout.linkerd.io/request", "nothing"),
        "call_timeout" if policies.retry.is_some() => {
            Fate::new("retry.linkerd.io/timeout", "an adaptive one becomes its longest")
        }
        "call_timeout" => Fate::new("timeout.linkerd.io/request", "an adaptive one becomes its longest"),
        "retry.max_attempts" => Fate::new(
            format!("retry.linkerd.io/limit: {}", setting.here.parse::<u32>().ok()?.saturating_sub(1)),
            "a retry is made at once, and does not look at what is left of the deadline",
        ),
        "retry.backoff" => Fate::new("", "retries are made at once"),
        "retry.budget" => {
            Fate::new("", "only a ServiceProfile has a budget, and with one nothing is ejected")
        }
        "idempotency_key" => Fate::new("a match on the header", "nothing"),
        "max_replay_bytes" => Fate::new("64 KiB", "fixed"),
        "balancer" => Fate::new("EWMA of latencies", "always; weights and regions are the cluster's"),
        _ => None,
    }
}
