//! An Envoy cluster: the endpoints behind one circuit, when they are ejected, and how much goes to them.

use super::envoy::seconds;
use super::{interval, percent, waits};
use crate::export::yaml::{Yaml, list, map};
use fusebox_core::balancer::{OnPanic, Strategy};
use fusebox_core::breaker::RunMode;
use fusebox_proxy::config::{Counts, Endpoint, HealthCheck, Plan, Policies, Route, Service};
use std::net::IpAddr;
use std::time::Duration;

/// No bound; where nothing is said Envoy has 1024.
const UNBOUNDED: u32 = u32::MAX;

/// The calls that a retry budget is a share of are those of this time.
const BUDGET: Duration = Duration::from_secs(10);

/// The cluster for a circuit's name. Envoy's statistics take a colon for a separator, and paths have slashes.
pub(super) fn name(circuit: &str) -> String {
    circuit.replace(['/', ':'], "_")
}

/// The cluster behind `route`, which has a circuit of its own.
pub(super) fn cluster(plan: &Plan, service: &Service, route: &Route) -> Yaml {
    let policies = &route.policies;
    let own = service.own_route().map_or(policies, |own| &own.policies);
    let by_name = service.endpoints.iter().any(|endpoint| endpoint.host.parse::<IpAddr>().is_err());
    let balancer = own.balancer.config();
    let slow_start = Some(balancer.slow_start)
        .filter(|slow| !slow.is_zero())
        .map(|slow| map([("slow_start_config", map([("slow_start_window", seconds(slow).into())]))]));
    let round_robin = balancer.strategy == Strategy::RoundRobin;
    let (policy, slow_start_in) = match round_robin {
        true => ("ROUND_ROBIN", "round_robin_lb_config"),
        false => ("LEAST_REQUEST", "least_request_lb_config"),
    };
    // With all endpoints ejected Envoy would send to all of them: a circuit that never opens.
    let panic = if balancer.on_panic == OnPanic::SendAnyway { 50.0 } else { 0.0 };
    let common = map([
        ("healthy_panic_threshold", map([("value", panic.into())])),
        // Within a second of one ejection Envoy would not act on the next.
        ("update_merge_window", "0s".into()),
    ]);
    map([
        ("name", name(&policies.circuit).into()),
        ("type", if by_name { "STRICT_DNS" } else { "STATIC" }.into()),
        ("connect_timeout", seconds(plan.limits.connect_timeout).into()),
        ("lb_policy", policy.into()),
        (slow_start_in, slow_start.into()),
        ("common_lb_config", common),
        ("load_assignment", assignment(service, own, &policies.circuit)),
        ("health_checks", own.health.as_ref().map(|health| list([checked(health, service)])).into()),
        ("outlier_detection", outliers(policies, own)),
        ("circuit_breakers", bounds(policies, own)),
    ])
}

/// Endpoints of one zone.
struct Place<'p> {
    /// How far away, the region, the zone.
    at: (u32, Option<&'p str>, Option<&'p str>),
    endpoints: Vec<&'p Endpoint>,
}

fn assignment(service: &Service, own: &Policies, circuit: &str) -> Yaml {
    let mut places: Vec<Place<'_>> = Vec::new();
    // An endpoint of weight 0 takes no calls; Envoy's least weight is 1.
    for endpoint in service.endpoints.iter().filter(|endpoint| endpoint.weight > 0) {
        let at = (tier(own, endpoint), endpoint.region.as_deref(), endpoint.zone.as_deref());
        match places.iter_mut().find(|place| place.at == at) {
            Some(place) => place.endpoints.push(endpoint),
            None => places.push(Place { at, endpoints: vec![endpoint] }),
        }
    }
    // Envoy wants priorities without gaps.
    let mut tiers: Vec<u32> = places.iter().map(|place| place.at.0).collect();
    tiers.sort_unstable();
    tiers.dedup();
    places.sort_by_key(|place| place.at.0);
    let localities = places.iter().map(|Place { at: (tier, region, zone), endpoints }| {
        let locality = map([("region", Yaml::from(*region)), ("zone", Yaml::from(*zone))]);
        let priority = tiers.iter().position(|known| known == tier).unwrap_or(0) as u64;
        map([
            ("locality", Some(locality).filter(|_| region.is_some() || zone.is_some()).into()),
            ("priority", Some(priority).filter(|priority| *priority > 0).into()),
            ("lb_endpoints", list(endpoints.iter().map(|endpoint| member(endpoint)))),
        ])
    });
    // Fewer than spill_over of the nearer ones fit: calls go farther. Envoy says it the other way round.
    let factor = (100.0 / own.balancer.config().spill_over).round().max(100.0) as u32;
    let policy = map([("overprovisioning_factor", factor.into())]);
    map([
        ("cluster_name", name(circuit).into()),
        ("endpoints", list(localities)),
        ("policy", Some(policy).filter(|_| tiers.len() > 1).into()),
    ])
}

/// How far away it is: our own zone and region, then the regions in their order.
fn tier(own: &Policies, endpoint: &Endpoint) -> u32 {
    let config = own.balancer.config();
    let Some(ours) = config.region.as_deref() else { return 0 };
    match endpoint.region.as_deref() {
        Some(region) if region != ours => {
            let known = config.other_regions.iter().position(|other| **other == *region);
            2 + known.unwrap_or(config.other_regions.len()) as u32
        }
        _ if config.zone.is_some() && endpoint.zone.as_deref() != config.zone.as_deref() => 1,
        _ => 0,
    }
}

fn member(endpoint: &Endpoint) -> Yaml {
    let address =
        [("address", endpoint.host.as_str().into()), ("port_value", u64::from(endpoint.port).into())];
    let at = map([("address", map([("socket_address", map(address))]))]);
    let weight = Some(endpoint.weight).filter(|weight| *weight != 1);
    map([("endpoint", at), ("load_balancing_weight", weight.into())])
}

fn checked(health: &HealthCheck, service: &Service) -> Yaml {
    let base = service.endpoints.first().map_or("", |endpoint| endpoint.base_path.as_str());
    let statuses = [
        ("start", u64::from(*health.expect.start()).into()),
        ("end", (u64::from(*health.expect.end()) + 1).into()),
    ];
    let asked =
        [("path", format!("{base}{}", health.path).into()), ("expected_statuses", list([map(statuses)]))];
    map([
        ("interval", seconds(health.interval).into()),
        ("timeout", seconds(health.timeout).into()),
        ("healthy_threshold", health.healthy_after.into()),
        ("unhealthy_threshold", health.unhealthy_after.into()),
        ("http_health_check", map(asked)),
    ])
}

fn outliers(policies: &Policies, own: &Policies) -> Yaml {
    let config = policies.breaker.config();
    let (base, max) = waits(policies);
    let share = if config.mode == RunMode::Shadow { 0 } else { percent(config.enforcement) };
    let enforced = |on: bool| Yaml::from(if on { share } else { 0 });
    let in_a_row = config.consecutive_failures.or(config.failure_count);
    let others = own.balancer.config().outliers.filter(|rule| rule.success_rate.is_some());
    let jitter = base.mul_f64(config.wait_in_open.jitter);
    map([
        ("interval", seconds(interval(policies)).into()),
        ("base_ejection_time", seconds(base).into()),
        ("max_ejection_time", seconds(max.max(base)).into()),
        ("max_ejection_time_jitter", Some(seconds(jitter)).filter(|_| !jitter.is_zero()).into()),
        // Every endpoint has a circuit of its own, and all of them may be open.
        ("max_ejection_percent", 100u32.into()),
        ("consecutive_5xx", in_a_row.into()),
        ("enforcing_consecutive_5xx", enforced(in_a_row.is_some())),
        ("enforcing_consecutive_gateway_failure", 0u32.into()),
        ("failure_percentage_threshold", config.failure_rate.map(percent).into()),
        ("failure_percentage_minimum_hosts", 1u32.into()),
        ("failure_percentage_request_volume", config.minimum_calls.into()),
        ("enforcing_failure_percentage", enforced(config.failure_rate.is_some())),
        ("success_rate_minimum_hosts", others.map(|rule| rule.minimum_endpoints).into()),
        ("success_rate_request_volume", others.map(|rule| rule.minimum_calls).into()),
        (
            "success_rate_stdev_factor",
            others.and_then(|rule| rule.success_rate).map(|factor| (factor * 1_000.0) as u64).into(),
        ),
        ("enforcing_success_rate", enforced(others.is_some() && policies.circuit == own.circuit)),
    ])
}

fn bounds(policies: &Policies, own: &Policies) -> Yaml {
    let calls = policies.bulkhead.as_ref().filter(|plan| plan.counts == Counts::Calls);
    let most = |places: u64| u32::try_from(places).unwrap_or(UNBOUNDED);
    let requests = calls.map_or(UNBOUNDED, |plan| most(plan.settings.config().max_concurrent));
    let connections = own.max_connections;
    let waiting = connections.map_or(UNBOUNDED, |limit| limit.max_queue);
    let budget = policies.retry.as_ref().and_then(|retry| retry.config().budget).map(|budget| {
        let share = crate::export::circuits::round(budget.ratio * 100.0);
        map([
            ("budget_percent", map([("value", share.into())])),
            ("budget_interval", seconds(BUDGET).into()),
            ("min_retry_concurrency", (budget.floor_per_second.ceil().max(1.0) as u64).into()),
        ])
    });
    let retries = Some(UNBOUNDED).filter(|_| budget.is_none());
    let thresholds = map([
        ("priority", "DEFAULT".into()),
        ("max_connections", UNBOUNDED.into()),
        ("max_pending_requests", waiting.into()),
        ("max_requests", requests.into()),
        ("max_retries", retries.into()),
        ("retry_budget", budget.into()),
        ("track_remaining", true.into()),
    ]);
    let each = connections.map(|limit| {
        let most = most(limit.per_endpoint);
        list([map([("priority", "DEFAULT".into()), ("max_connections", most.into())])])
    });
    map([("thresholds", list([thresholds])), ("per_host_thresholds", each.into())])
}
