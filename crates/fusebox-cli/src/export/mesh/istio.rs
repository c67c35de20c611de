//! Istio: a DestinationRule and a VirtualService for each service, and a ServiceEntry where its endpoints are no
//! service of the cluster.

use super::kubernetes::{documents, host, name, resource};
use super::settings::Setting;
use super::{FAILED, Fate, IDEMPOTENT, UNSENT, attempts, interval, rewritten, short, table, waits, whole};
use crate::export::yaml::{Yaml, list, map};
use fusebox_core::balancer::Strategy;
use fusebox_core::breaker::RunMode;
use fusebox_proxy::config::{Counts, Plan, Policies, Route, Service};
use std::net::IpAddr;

const API: &str = "networking.istio.io/v1";

const HOSTS: &str = "#\n# Callers in the mesh use the hosts below; NAME.mesh.internal where the endpoints are no service of the cluster.\n";

/// The resources, with what is lost at their head.
pub(crate) fn resources(plan: &Plan) -> String {
    let all = plan.services.iter().flat_map(|service| {
        let foreign = host(service).is_none().then(|| entry(service));
        foreign.into_iter().chain([destination(plan, service), virtual_service(service)])
    });
    table(plan, "Istio", fate) + HOSTS + &documents(&all.collect::<Vec<_>>())
}

/// The host under which the mesh knows the service.
fn known_as(service: &Service) -> String {
    host(service).map_or_else(|| format!("{}.mesh.internal", name(&service.name)), str::to_owned)
}

fn port(service: &Service) -> u64 {
    service.endpoints.first().map_or(80, |endpoint| u64::from(endpoint.port))
}

fn metadata(of: &str) -> Yaml {
    map([("name", name(of).into())])
}

fn entry(service: &Service) -> Yaml {
    let by_name = service.endpoints.iter().any(|endpoint| endpoint.host.parse::<IpAddr>().is_err());
    let endpoints = service.endpoints.iter().filter(|endpoint| endpoint.weight > 0).map(|endpoint| {
        let places = [endpoint.region.as_deref(), endpoint.zone.as_deref()];
        let locality: Vec<_> = places.into_iter().flatten().collect();
        map([
            ("address", endpoint.host.as_str().into()),
            ("ports", map([("http", u64::from(endpoint.port).into())])),
            ("locality", Some(locality.join("/")).filter(|text| !text.is_empty()).into()),
            ("weight", Some(endpoint.weight).filter(|weight| *weight != 1).into()),
        ])
    });
    let ports = map([("number", port(service).into()), ("name", "http".into()), ("protocol", "HTTP".into())]);
    let spec = map([
        ("hosts", list([known_as(service).into()])),
        ("location", "MESH_EXTERNAL".into()),
        ("resolution", if by_name { "DNS" } else { "STATIC" }.into()),
        ("ports", list([ports])),
        ("endpoints", list(endpoints)),
    ]);
    resource(API, "ServiceEntry", metadata(&service.name), spec)
}

fn destination(plan: &Plan, service: &Service) -> Yaml {
    let own = service.own_route().map(|route| policy(plan, service, &route.policies));
    let subsets = service.inner_routes().filter(|route| route.policies.circuit == route.name).map(|route| {
        map([("name", name(&route.name).into()), ("trafficPolicy", policy(plan, service, &route.policies))])
    });
    let subsets: Vec<_> = subsets.collect();
    let spec = map([
        ("host", known_as(service).into()),
        ("trafficPolicy", own.into()),
        ("subsets", Some(list(subsets.clone())).filter(|_| !subsets.is_empty()).into()),
    ]);
    resource(API, "DestinationRule", metadata(&service.name), spec)
}

fn policy(plan: &Plan, service: &Service, policies: &Policies) -> Yaml {
    let own = service.own_route().map_or(policies, |own| &own.policies);
    let balancer = own.balancer.config();
    let round_robin = balancer.strategy == Strategy::RoundRobin;
    let calls = policies.bulkhead.as_ref().filter(|plan| plan.counts == Counts::Calls);
    let requests = calls.map(|plan| plan.settings.config().max_concurrent.min(i32::MAX as u64));
    let connections = own.max_connections;
    // Istio's bound is for all endpoints together.
    let all = connections.map(|limit| limit.per_endpoint * service.endpoints.len() as u64);
    let budget = policies.retry.as_ref().and_then(|retry| retry.config().budget).map(|budget| {
        map([
            ("percent", crate::export::circuits::round(budget.ratio * 100.0).into()),
            ("minRetryConcurrency", (budget.floor_per_second.ceil().max(1.0) as u64).into()),
        ])
    });
    let http = map([
        ("http1MaxPendingRequests", connections.map(|limit| limit.max_queue.max(1)).into()),
        ("http2MaxRequests", requests.into()),
    ]);
    let tcp =
        map([("maxConnections", all.into()), ("connectTimeout", short(plan.limits.connect_timeout).into())]);
    let pool = map([("tcp", tcp), ("http", Some(http).filter(|http| *http != Yaml::Map(Vec::new())).into())]);
    let warmup = Some(balancer.slow_start)
        .filter(|slow| !slow.is_zero())
        .map(|slow| map([("duration", short(slow).into())]));
    map([
        ("connectionPool", pool),
        (
            "loadBalancer",
            map([
                ("simple", if round_robin { "ROUND_ROBIN" } else { "LEAST_REQUEST" }.into()),
                ("warmup", warmup.into()),
            ]),
        ),
        ("outlierDetection", outliers(policies)),
        ("retryBudget", budget.into()),
    ])
}

fn outliers(policies: &Policies) -> Yaml {
    let config = policies.breaker.config();
    let rule = config.consecutive_failures.or(config.failure_count);
    // 0 is off; where nothing is said Istio has 5.
    let in_a_row = rule.filter(|_| config.mode == RunMode::Enforce).unwrap_or(0);
    map([
        ("consecutive5xxErrors", in_a_row.into()),
        ("consecutiveGatewayErrors", 0u32.into()),
        ("interval", short(interval(policies)).into()),
        ("baseEjectionTime", short(waits(policies).0).into()),
        ("maxEjectionPercent", 100u32.into()),
        ("minHealthPercent", 0u32.into()),
    ])
}

fn virtual_service(service: &Service) -> Yaml {
    let spec = map([
        ("hosts", list([known_as(service).into()])),
        ("http", list(service.routes.iter().flat_map(|route| entries(service, route)))),
    ]);
    resource(API, "VirtualService", metadata(&service.name), spec)
}

/// Calls that may be repeated, and those that may not.
fn entries(service: &Service, route: &Route) -> Vec<Yaml> {
    if attempts(&route.policies).is_none() {
        return vec![one(service, route, &[Yaml::Map(Vec::new())], None)];
    }
    let method = map([("method", map([("regex", IDEMPOTENT.join("|").into())]))]);
    let present = map([(route.policies.idempotency_key.as_str(), Yaml::Map(Vec::new()))]);
    let key = map([("headers", present)]);
    vec![
        one(service, route, &[method, key], Some(FAILED)),
        one(service, route, &[Yaml::Map(Vec::new())], Some(UNSENT)),
    ]
}

/// One entry for calls on any of the `kinds`.
fn one(service: &Service, route: &Route, kinds: &[Yaml], retry_on: Option<&str>) -> Yaml {
    let policies = &route.policies;
    let path = route.matches.path_prefix.as_str();
    // A prefix is no whole segment there, so a path itself and what is below it are two matches.
    let uris: Vec<_> = match path {
        "/" => vec![map([("prefix", "/".into())])],
        path => vec![map([("exact", path.into())]), map([("prefix", format!("{path}/").into())])],
    };
    let host = route.matches.host.as_deref().map(|host| map([("exact", host.into())]));
    let matched = kinds.iter().flat_map(|kind| {
        uris.iter().map(|uri| {
            let more = match kind {
                Yaml::Map(entries) => entries.clone(),
                _ => Vec::new(),
            };
            let place = [("uri".to_owned(), uri.clone()), ("authority".to_owned(), host.clone().into())];
            map(place.into_iter().chain(more))
        })
    });
    let rewrite = rewritten(service, route).map(|uri| map([("uri", uri.into())]));
    let subset = (policies.circuit != service.name).then(|| name(&policies.circuit));
    let destination = map([
        ("host", known_as(service).into()),
        ("subset", subset.into()),
        ("port", map([("number", port(service).into())])),
    ]);
    map([
        ("match", list(matched)),
        ("rewrite", rewrite.into()),
        ("route", list([map([("destination", destination)])])),
        ("timeout", whole(policies, retry_on.is_some()).map(short).into()),
        ("retries", retries(policies, retry_on)),
    ])
}

fn retries(policies: &Policies, retry_on: Option<&str>) -> Yaml {
    let settings = policies.retry.as_ref().map(|retry| retry.config());
    let (Some(on), Some(config)) = (retry_on, settings) else {
        // Where nothing is said Istio makes two.
        return map([("attempts", 0u32.into())]);
    };
    map([
        ("attempts", config.max_attempts.saturating_sub(1).into()),
        ("perTryTimeout", policies.call_timeout.map(short).into()),
        ("retryOn", on.into()),
        ("backoff", short(config.backoff.base).into()),
    ])
}

fn fate(setting: &Setting, service: &Service, policies: &Policies) -> Option<Fate> {
    let config = policies.breaker.config();
    match setting.key {
        "breaker" => Fate::new("its outlierDetection", "nothing"),
        "breaker.consecutive_failures" => {
            Fate::new(format!("consecutive5xxErrors: {}", setting.here), "calls in flight do not count")
        }
        "breaker.failure_count" if config.consecutive_failures.is_none() => {
            Fate::new(format!("consecutive5xxErrors: {}", setting.here), "in a row, not within the window")
        }
        "breaker.wait_in_open" => Fate::new(
            format!("baseEjectionTime: {}", short(waits(policies).0)),
            "the n-th wait is n times the first, up to 300s or the first; no jitter",
        ),
        "breaker.mode" => Fate::new("consecutive5xxErrors: 0", "nothing is measured"),
        "deadline" => Fate::new("timeout", "ends at the end of the response, not at its head"),
        "call_timeout" => Fate::new("perTryTimeout", "an adaptive one becomes its longest"),
        "retry.max_attempts" => Fate::new(
            format!("attempts: {}", setting.here.parse::<u32>().ok()?.saturating_sub(1)),
            "a retry does not look at the circuit, nor at what is left of the deadline",
        ),
        "retry.backoff" => Fate::new("backoff", "the first wait only; always doubled, with full jitter"),
        "retry.budget" => Fate::new(
            "retryBudget",
            "needs a recent Istio; a share of the calls under way, not of the last 10 s",
        ),
        "idempotency_key" => Fate::new("a match on the header", "nothing"),
        "bulkhead" => match policies.bulkhead.as_ref()?.counts {
            Counts::Calls => Fate::new(
                "http2MaxRequests",
                "for each client's sidecar; nobody waits; keys and priorities share it",
            ),
            Counts::Bytes => Fate::new("", "Istio counts calls, not bytes"),
        },
        "max_connections" => Fate::new(
            "maxConnections, http1MaxPendingRequests",
            "for all endpoints together, in each client's sidecar; no max_wait",
        ),
        "balancer" if service.endpoints.len() > 1 => {
            Fate::new("loadBalancer, warmup", "regions need a localityLbSetting and labelled nodes")
        }
        _ => None,
    }
}
