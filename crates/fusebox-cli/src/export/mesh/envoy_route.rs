//! Envoy's routes: which call goes to which cluster, how long it may take, and when it is made again.

use super::envoy::{seconds, typed};
use super::envoy_cluster::name;
use super::{FAILED, IDEMPOTENT, UNSENT, attempts, rewritten, routes, whole};
use crate::export::yaml::{Yaml, list, map};
use fusebox_core::pipeline::Order;
use fusebox_proxy::config::{Plan, Policies, Route, Service};
use std::cmp::Reverse;
use std::time::Duration;

/// One virtual host for each host that is named, and one for all others.
pub(super) fn virtual_hosts(plan: &Plan) -> Yaml {
    let mut all: Vec<_> = routes(plan).collect();
    all.sort_by_key(|(_, route)| Reverse(route.matches.specificity()));
    let mut hosts: Vec<Option<&str>> = all.iter().map(|(_, route)| route.matches.host.as_deref()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    list(hosts.into_iter().map(|host| {
        // Envoy looks at one virtual host only, so a call that none of its routes takes needs the others in it too.
        let taken = |route: &Route| route.matches.host.is_none() || route.matches.host.as_deref() == host;
        let entries = all.iter().filter(|(_, route)| taken(route)).flat_map(|(s, route)| entries(s, route));
        let domains = match host {
            Some(host) => list([host.into(), format!("{host}:*").into()]),
            None => list(["*".into()]),
        };
        map([("name", host.unwrap_or("any").into()), ("domains", domains), ("routes", list(entries))])
    }))
}

/// The entries of one route: calls that may be repeated, and those that may not.
fn entries(service: &Service, route: &Route) -> Vec<Yaml> {
    let policies = &route.policies;
    if attempts(policies).is_none() {
        return vec![entry(service, route, None, None)];
    }
    let regex = map([("safe_regex", map([("regex", IDEMPOTENT.join("|").into())]))]);
    let method = map([("name", ":method".into()), ("string_match", regex)]);
    let key = map([("name", policies.idempotency_key.as_str().into()), ("present_match", true.into())]);
    vec![
        entry(service, route, Some(method), Some(FAILED)),
        entry(service, route, Some(key), Some(FAILED)),
        entry(service, route, None, Some(UNSENT)),
    ]
}

fn entry(service: &Service, route: &Route, header: Option<Yaml>, retry_on: Option<&str>) -> Yaml {
    let policies = &route.policies;
    let path = route.matches.path_prefix.as_str();
    let by = if path == "/" { "prefix" } else { "path_separated_prefix" };
    let matches = map([(by, path.into()), ("headers", header.map(|header| list([header])).into())]);
    let action = map([
        ("cluster", name(&policies.circuit).into()),
        ("prefix_rewrite", rewritten(service, route).into()),
        ("timeout", whole(policies, retry_on.is_some()).map_or_else(|| "0s".into(), seconds).into()),
        ("retry_policy", retry_on.map(|on| retry(service, policies, on)).into()),
    ]);
    let kept = retry_on.and_then(|_| u32::try_from(policies.max_replay_bytes).ok());
    map([("match", matches), ("route", action), ("per_request_buffer_limit_bytes", kept.into())])
}

fn retry(service: &Service, policies: &Policies, retry_on: &str) -> Yaml {
    let config = policies.retry.as_ref().map(|retry| retry.config().clone()).unwrap_or_default();
    let (base, max) = (config.backoff.base.max(Duration::from_millis(1)), config.backoff.max);
    let waits = [("base_interval", seconds(base).into()), ("max_interval", seconds(max.max(base)).into())];
    let elsewhere = policies.order == Order::RetryOutside && service.endpoints.len() > 1;
    let predicate = typed(
        "envoy.retry_host_predicates.previous_hosts",
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        Vec::new(),
    );
    map([
        ("retry_on", retry_on.into()),
        ("num_retries", (config.max_attempts.saturating_sub(1)).into()),
        ("per_try_timeout", policies.call_timeout.map(seconds).into()),
        ("retry_back_off", map(waits)),
        ("retry_host_predicate", elsewhere.then(|| list([predicate])).into()),
        ("host_selection_retry_max_attempts", elsewhere.then_some(3u32).into()),
    ])
}
