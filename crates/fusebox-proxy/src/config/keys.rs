//! Every key of the file, table by table: what is read, and what is known but not there yet.
//!
//! The readers refuse what is not listed here, and the tests hold these lists against the readers and against
//! `docs/configuration.md`.

/// The keys of one table.
#[derive(Debug)]
pub struct Keys {
    /// The table's name from the top of the file; empty for the top itself.
    pub table: &'static str,
    /// Keys that are read.
    pub known: &'static [&'static str],
    /// Keys whose policy is not there yet. Written as `false` they are accepted, for that is what they are.
    pub later: &'static [&'static str],
}

/// The top of the file.
pub const TOP: Keys = keys("", &["admin", "listener", "limits", "service"]);
/// `[admin]`
pub const ADMIN: Keys = keys("admin", &["listen"]);
/// `[[listener]]`
pub const LISTENER: Keys = Keys { later: &["tls"], ..keys("listener", &["listen"]) };
/// `[limits]`
pub const LIMITS: Keys = keys(
    "limits",
    &[
        "connect_timeout",
        "header_timeout",
        "body_idle_timeout",
        "drain",
        "max_connections",
        "max_header_bytes",
    ],
);
/// `[[service]]`
pub const SERVICE: Keys = Keys {
    later: LATER,
    ..keys(
        "service",
        &[
            "name",
            "match",
            "endpoints",
            "order",
            "call_timeout",
            "deadline",
            "breaker",
            "retry",
            "fallback",
            "balancer",
            "route",
        ],
    )
};
/// `[[service.route]]`
pub const ROUTE: Keys = Keys {
    later: LATER,
    ..keys(
        "service.route",
        &["name", "match", "order", "call_timeout", "deadline", "breaker", "retry", "fallback"],
    )
};
/// `match = { .. }`
pub const MATCH: Keys =
    Keys { later: &["header", "headers", "method"], ..keys("service.match", &["host", "path_prefix"]) };
/// `endpoints = [{ .. }]`
pub const ENDPOINT: Keys =
    Keys { later: &["weight"], ..keys("service.endpoints", &["url", "region", "zone"]) };
/// `[service.balancer]`
pub const BALANCER: Keys = keys("service.balancer", &["strategy"]);
/// `[service.breaker]`
pub const BREAKER: Keys = Keys {
    later: &["recovery_ramp", "shadow", "mode", "enforcement", "enforce"],
    ..keys(
        "service.breaker",
        &[
            "preset",
            "window",
            "failure_count",
            "consecutive_failures",
            "failure_rate",
            "minimum_calls",
            "slow_call_duration",
            "slow_counts_as",
            "slow_call_rate",
            "hung_calls",
            "wait_in_open",
            "half_open_probes",
            "success_threshold",
            "probe_failures",
            "half_open",
            "probe_lease",
            "half_open_limit",
            "streak_reset",
            "cancel_counts_as",
            "key",
            "max_circuits",
        ],
    )
};
/// `window = { .. }`
pub const WINDOW: Keys = keys("service.breaker.window", &["calls", "time"]);
/// `wait_in_open = { .. }`
pub const WAIT: Keys =
    keys("service.breaker.wait_in_open", &["base", "multiplier", "max", "jitter", "fixed", "adaptive"]);
/// `adaptive = { .. }`
pub const ADAPTIVE: Keys = keys("service.breaker.wait_in_open.adaptive", &["percentile"]);
/// `half_open = { .. }`
pub const HALF_OPEN: Keys = keys("service.breaker.half_open", &["sample", "failure_rate"]);
/// `[service.retry]`
pub const RETRY: Keys = keys("service.retry", &["max_attempts", "backoff", "budget"]);
/// `backoff = { .. }`
pub const BACKOFF: Keys = keys("service.retry.backoff", &["base", "multiplier", "max", "jitter"]);
/// `budget = { .. }`
pub const BUDGET: Keys = keys("service.retry.budget", &["ratio", "floor_per_second"]);
/// `[service.fallback]`
pub const FALLBACK: Keys = Keys {
    later: &["kind", "cached", "queue", "alternative", "region"],
    ..keys("service.fallback", &["on", "status", "headers", "body"])
};

/// All of them, as the documentation goes through them.
pub const ALL: [&Keys; 18] = [
    &TOP, &ADMIN, &LISTENER, &LIMITS, &SERVICE, &MATCH, &ENDPOINT, &BALANCER, &BREAKER, &WINDOW, &WAIT,
    &ADAPTIVE, &HALF_OPEN, &RETRY, &BACKOFF, &BUDGET, &FALLBACK, &ROUTE,
];

/// Policies of a service or a route that are not there yet.
const LATER: &[&str] = &["bulkhead", "rate_limiter", "hedge", "cache"];

const fn keys(table: &'static str, known: &'static [&'static str]) -> Keys {
    Keys { table, known, later: &[] }
}
