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
pub const TOP: Keys =
    keys("", &["region", "zone", "admin", "listener", "limits", "log", "queue", "telemetry", "service"]);
/// `[admin]`
pub const ADMIN: Keys = keys(
    "admin",
    &["listen", "tokens", "hosts", "audit", "history", "state", "tls", "plain", "trust_loopback"],
);
/// `tls = { .. }`
pub const ADMIN_TLS: Keys = keys("admin.tls", &["cert", "key"]);
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
/// `[log]`
pub const LOG: Keys = keys("log", &["level"]);
/// `[telemetry]`
pub const TELEMETRY: Keys = keys(
    "telemetry",
    &["max_series", "otlp", "interval", "timeout", "service_name", "headers_file", "resource"],
);
/// `[[service]]`
pub const SERVICE: Keys = keys(
    "service",
    &[
        "health",
        "max_connections",
        "scopes",
        "hedge",
        "max_replay_bytes",
        "idempotency_key",
        "name",
        "match",
        "endpoints",
        "region",
        "zone",
        "order",
        "fallback",
        "rate_limiter",
        "balancer",
        "deadline",
        "throttle",
        "bulkhead",
        "priority",
        "breaker",
        "retry",
        "call_timeout",
        "route",
    ],
);
/// `[[service.route]]`
pub const ROUTE: Keys = keys(
    "service.route",
    &[
        "hedge",
        "max_replay_bytes",
        "idempotency_key",
        "name",
        "match",
        "order",
        "fallback",
        "rate_limiter",
        "deadline",
        "throttle",
        "bulkhead",
        "priority",
        "breaker",
        "retry",
        "call_timeout",
    ],
);
/// `match = { .. }`
pub const MATCH: Keys =
    Keys { later: &["header", "headers", "method"], ..keys("service.match", &["host", "path_prefix"]) };
/// `endpoints = [{ .. }]`
pub const ENDPOINT: Keys = keys("service.endpoints", &["url", "region", "zone", "weight"]);
/// `[service.rate_limiter]`
pub const RATE_LIMITER: Keys =
    keys("service.rate_limiter", &["permits", "per", "burst", "max_wait", "key", "max_keys"]);
/// `[service.balancer]`
pub const BALANCER: Keys = keys(
    "service.balancer",
    &[
        "strategy",
        "region",
        "zone",
        "other_regions",
        "spill_over",
        "slow_start",
        "on_panic",
        "penalty",
        "decay",
        "first_latency",
        "slow_same_region",
        "slow_other_region",
        "outliers",
    ],
);
/// `outliers = { .. }`
pub const OUTLIERS: Keys = keys(
    "service.balancer.outliers",
    &[
        "interval",
        "minimum_calls",
        "minimum_endpoints",
        "success_rate",
        "success_gap",
        "latency",
        "latency_times",
        "base_ejection",
        "max_ejection",
        "max_ejected",
    ],
);
/// `[service.health]`
pub const HEALTH: Keys =
    keys("service.health", &["path", "interval", "timeout", "healthy_after", "unhealthy_after", "expect"]);
/// `[service.scopes]`
pub const SCOPES: Keys = keys("service.scopes", &["tenant", "max_tenants", "breadth", "memory"]);
/// `[service.throttle]`
pub const THROTTLE: Keys =
    keys("service.throttle", &["window", "multiplier", "minimum_requests", "max_rejection"]);
/// `[service.bulkhead]`
pub const BULKHEAD: Keys = keys(
    "service.bulkhead",
    &["max_concurrent", "max_wait", "max_queue", "order", "max_per_key", "key", "shares", "counts", "limit"],
);
/// `shares = { .. }`
pub const SHARES: Keys = keys("service.bulkhead.shares", &["low", "normal", "high", "critical"]);
/// `limit = { .. }`
pub const LIMIT: Keys = keys("service.bulkhead.limit", &["gradient", "aimd"]);
/// `gradient = { .. }`
pub const GRADIENT: Keys = keys(
    "service.bulkhead.limit.gradient",
    &["start", "min", "max", "tolerance", "smoothing", "window", "minimum_samples", "probe_every", "idle"],
);
/// `aimd = { .. }`
pub const AIMD: Keys =
    keys("service.bulkhead.limit.aimd", &["start", "min", "max", "increase", "backoff", "slow", "idle"]);
/// `[service.priority]`
pub const PRIORITY: Keys = keys("service.priority", &["header", "default"]);
/// `[service.breaker]`
pub const BREAKER: Keys = keys(
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
        "recovery_ramp",
        "mode",
        "enforcement",
    ],
);
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
/// `recovery_ramp = { .. }`
pub const RECOVERY_RAMP: Keys = keys("service.breaker.recovery_ramp", &["from", "over"]);
/// `[service.hedge]`
pub const HEDGE: Keys = keys("service.hedge", &["after", "budget"]);
/// `after = { .. }`
pub const AFTER: Keys = keys("service.hedge.after", &["percentile", "min", "max", "start"]);
/// `budget = { .. }` of a hedge
pub const HEDGE_BUDGET: Keys = keys("service.hedge.budget", &["ratio", "floor_per_second"]);
/// `max_connections = { .. }`
pub const MAX_CONNECTIONS: Keys = keys("service.max_connections", &["per_endpoint", "max_wait", "max_queue"]);
/// `call_timeout = { .. }`
pub const CALL_TIMEOUT: Keys =
    keys("service.call_timeout", &["percentile", "factor", "min", "max", "start", "minimum_calls"]);
/// `[service.fallback]`
pub const FALLBACK: Keys = keys(
    "service.fallback",
    &["on", "list", "cached", "service", "region", "queue", "status", "headers", "body"],
);
/// `fallback = [{ .. }]`
pub const ITEM: Keys =
    keys("service.fallback.list", &["cached", "service", "region", "queue", "status", "headers", "body"]);
/// `queue = { .. }`
pub const DEFER: Keys =
    keys("service.fallback.queue", &["check", "expires_in", "max_attempts", "backoff", "contact", "scope"]);
/// `[queue]`
pub const QUEUE: Keys = keys(
    "queue",
    &[
        "file",
        "postgres",
        "max_items",
        "max_bytes",
        "max_payload",
        "provider_window",
        "status_path",
        "webhook",
    ],
);
/// `webhook = { .. }`
pub const WEBHOOK: Keys =
    keys("queue.webhook", &["service", "path", "secret_file", "events", "delayed_after"]);
/// `cached = { .. }`
pub const CACHED: Keys = keys(
    "service.fallback.cached",
    &["fresh", "stale", "max_bytes", "max_body", "scope", "redis", "persist"],
);
/// `redis = { .. }`
pub const CACHE_REDIS: Keys = keys("service.fallback.cached.redis", &["url", "timeout", "prefix"]);

/// All of them, as the documentation goes through them.
pub const ALL: [&Keys; 43] = [
    &TOP,
    &ADMIN,
    &ADMIN_TLS,
    &LISTENER,
    &LIMITS,
    &LOG,
    &TELEMETRY,
    &SERVICE,
    &MATCH,
    &ENDPOINT,
    &RATE_LIMITER,
    &BALANCER,
    &OUTLIERS,
    &HEALTH,
    &MAX_CONNECTIONS,
    &SCOPES,
    &THROTTLE,
    &BULKHEAD,
    &SHARES,
    &LIMIT,
    &GRADIENT,
    &AIMD,
    &PRIORITY,
    &BREAKER,
    &WINDOW,
    &WAIT,
    &ADAPTIVE,
    &HALF_OPEN,
    &RECOVERY_RAMP,
    &RETRY,
    &BACKOFF,
    &BUDGET,
    &HEDGE,
    &AFTER,
    &HEDGE_BUDGET,
    &CALL_TIMEOUT,
    &FALLBACK,
    &CACHED,
    &DEFER,
    &QUEUE,
    &WEBHOOK,
    &CACHE_REDIS,
    &ROUTE,
];

const fn keys(table: &'static str, known: &'static [&'static str]) -> Keys {
    Keys { table, known, later: &[] }
}
