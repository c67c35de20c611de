//! A complete Envoy bootstrap: the plan's listeners, a route for each of its routes, a cluster for each circuit.

use super::envoy_cluster::{cluster, name};
use super::envoy_route::virtual_hosts;
use super::settings::Setting;
use super::{Fate, circuits, percent, table};
use crate::export::yaml::{Yaml, list, map};
use fusebox_core::balancer::OnPanic;
use fusebox_core::breaker::{WaitStrategy, Window};
use fusebox_proxy::config::{Counts, Plan, Policies, Service};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The bootstrap, with what is lost at its head.
pub(crate) fn bootstrap(plan: &Plan) -> String {
    let clusters = circuits(plan).map(|(service, route)| cluster(plan, service, route));
    let admin = plan.admin.as_ref().and_then(|admin| admin.listen.address());
    let admin = admin.map(|address| map([("address", socket(address.ip(), address.port()))]));
    let resources = map([
        ("listeners", list(plan.listeners.iter().enumerate().map(|(i, at)| listener(plan, i, *at)))),
        ("clusters", list(clusters)),
    ]);
    let tree = map([
        ("node", map([("id", "fusebox".into()), ("cluster", "fusebox".into())])),
        ("admin", admin.into()),
        ("static_resources", resources),
    ]);
    table(plan, "Envoy", fate) + &limits(plan) + &tree.document()
}

/// What is not said by any service.
fn limits(plan: &Plan) -> String {
    let drain = plan.limits.drain.as_secs().max(1);
    format!(
        "#\n# limits: drain is an argument, --drain-time-s {drain}; max_connections ({}) needs an overload manager.\n",
        plan.limits.max_connections
    )
}

fn listener(plan: &Plan, index: usize, at: SocketAddr) -> Yaml {
    let limits = &plan.limits;
    let router = typed(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        Vec::<(&str, Yaml)>::new(),
    );
    let manager = vec![
        ("stat_prefix", format!("listener_{index}").into()),
        ("max_request_headers_kb", (limits.max_header_bytes.div_ceil(1_024).clamp(1, 8_192) as u64).into()),
        ("request_headers_timeout", seconds(limits.header_timeout).into()),
        ("stream_idle_timeout", seconds(limits.body_idle_timeout).into()),
        ("normalize_path", true.into()),
        ("http_filters", list([router])),
        ("route_config", map([("name", "fusebox".into()), ("virtual_hosts", virtual_hosts(plan))])),
    ];
    let filter = typed(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        manager,
    );
    map([
        ("name", format!("listener_{index}").into()),
        ("address", socket(at.ip(), at.port())),
        ("filter_chains", list([map([("filters", list([filter]))])])),
    ])
}

/// A named extension with its configuration.
pub(super) fn typed(name: &str, kind: &str, fields: Vec<(&str, Yaml)>) -> Yaml {
    let kind = ("@type", format!("type.googleapis.com/{kind}").into());
    map([("name", name.into()), ("typed_config", map([kind].into_iter().chain(fields)))])
}

fn socket(ip: IpAddr, port: u16) -> Yaml {
    let fields = [("address", ip.to_string().into()), ("port_value", u64::from(port).into())];
    map([("socket_address", map(fields))])
}

/// A duration as protobuf writes it.
pub(super) fn seconds(span: Duration) -> String {
    let text = format!("{:.3}", span.as_secs_f64().max(0.001));
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn fate(setting: &Setting, service: &Service, policies: &Policies) -> Option<Fate> {
    breaker(setting, policies).or_else(|| around(setting, service, policies))
}

fn breaker(setting: &Setting, policies: &Policies) -> Option<Fate> {
    let config = policies.breaker.config();
    match setting.key {
        "breaker" => Fate::new(format!("cluster {}", name(&policies.circuit)), "nothing"),
        "breaker.consecutive_failures" => {
            Fate::new(format!("consecutive_5xx: {}", setting.here), "calls in flight do not count")
        }
        "breaker.failure_count" if config.consecutive_failures.is_none() => {
            Fate::new(format!("consecutive_5xx: {}", setting.here), "in a row, not within the window")
        }
        "breaker.window" => match config.window {
            Window::Time(_) => {
                Fate::new("interval", "a rate is that of the last interval, not of a sliding window")
            }
            Window::Calls(_) => Fate::new("interval", "a window of calls becomes a stretch of time"),
        },
        "breaker.failure_rate" => Fate::new(
            format!("failure_percentage_threshold: {}", percent(config.failure_rate?)),
            "looked at once in each interval only, so it ejects up to an interval late",
        ),
        "breaker.minimum_calls" => Fate::new(
            format!("failure_percentage_request_volume: {}", setting.here),
            "within the interval, which is shorter than the window",
        ),
        "breaker.wait_in_open" => {
            let lost = match config.wait_in_open.strategy {
                WaitStrategy::Fixed(_) => "an endpoint comes back at the next interval after it",
                WaitStrategy::Exponential { .. } => "the n-th wait is n times the first, instead of a power",
                WaitStrategy::Adaptive { .. } => "nothing is learned: the n-th wait is n times the first",
            };
            Fate::new("base_ejection_time, max_ejection_time, max_ejection_time_jitter", lost)
        }
        "breaker.mode" => Fate::new("enforcing_*: 0", "detections are counted, in ejections_detected_*"),
        "breaker.enforcement" => {
            Fate::new("enforcing_*", "a chance for each ejection, instead of a share of callers")
        }
        "breaker.streak_reset" => {
            Fate::new("", "a wait gets one shorter for every interval without an ejection")
        }
        _ => None,
    }
}

fn around(setting: &Setting, service: &Service, policies: &Policies) -> Option<Fate> {
    let several = service.endpoints.len() > 1;
    match setting.key {
        "order" if several && setting.here == "retry_outside" => {
            Fate::new("retry_host_predicate: previous_hosts", "nothing")
        }
        "deadline" => Fate::new("route timeout", "ends at the end of the response, not at its head"),
        "call_timeout" => Fate::new("per_try_timeout", "an adaptive one becomes its longest"),
        "retry.max_attempts" => Fate::new(
            format!("num_retries: {}", setting.here.parse::<u32>().ok()?.saturating_sub(1)),
            "a retry does not look at the circuit, nor at what is left of the deadline",
        ),
        "retry.backoff" => Fate::new("retry_back_off", "always doubled, always with full jitter"),
        "retry.budget" => Fate::new("retry_budget", "the floor is retries at once, not per second"),
        "idempotency_key" => Fate::new("a route of its own that matches the header", "nothing"),
        "max_replay_bytes" => Fate::new("per_request_buffer_limit_bytes", "nothing"),
        "hedge" => Fate::new("", "Envoy hedges on a timeout of an attempt only, without a budget"),
        "bulkhead" => match policies.bulkhead.as_ref()?.counts {
            Counts::Calls => Fate::new(
                "circuit_breakers max_requests",
                "for a cluster, not for a route; nobody waits for a place, keys and priorities share it",
            ),
            Counts::Bytes => Fate::new("", "Envoy counts calls, not bytes"),
        },
        "max_connections" => Fate::new(
            "per_host_thresholds max_connections, max_pending_requests",
            "a call waits until its timeout, not for max_wait",
        ),
        "health" => Fate::new("health_checks", "nothing"),
        "balancer" => {
            let lost = match policies.balancer.config().on_panic {
                OnPanic::SendAnyway => "regions by priority, but a slow one keeps its calls",
                _ => "regions by priority, but a slow one keeps its calls; with all ejected callers get 503",
            };
            Fate::new("lb_policy, priority, slow_start_config, healthy_panic_threshold", lost)
        }
        "balancer.outliers" => Fate::new("success_rate_*", "no comparison of latencies, and no least gap"),
        _ => None,
    }
}
