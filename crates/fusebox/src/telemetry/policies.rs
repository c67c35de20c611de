//! What the policies of the pipelines count, one table of families for each.

use super::family::Join::{Max, Min, Sum};
use super::family::{Family, Labels, Parts, Rows, Values, counter, counter_by, gauge};
use super::{Kind, Subjects, Tell, queues, stand_ins};
use fusebox_core::pipeline::{PolicySnapshot, Stage};
use fusebox_core::retry::BudgetSnapshot;
use fusebox_core::{Time, adaptive, balancer, bulkhead, hedge, limiter, scope, throttle, timeout};
use std::collections::HashSet;
use std::sync::Arc;

/// Every policy of every pipeline, once each: pipelines of one service share some.
#[derive(Default)]
struct Policies {
    seen: HashSet<usize>,
    limiters: Rows<limiter::Snapshot>,
    scopes: Rows<scope::Snapshot>,
    throttles: Rows<throttle::Snapshot>,
    bulkheads: Rows<bulkhead::Snapshot>,
    limits: Rows<adaptive::Snapshot>,
    connections: Rows<bulkhead::Snapshot>,
    budgets: Rows<BudgetSnapshot>,
    hedges: Rows<hedge::Snapshot>,
    spans: Rows<u64>,
    timeouts: Rows<timeout::Snapshot>,
    balancers: Rows<u64>,
    endpoints: Rows<balancer::EndpointSnapshot>,
}

/// Tells the families of all that `subjects` name. Policies of one service are told together, and one that several pipelines
/// share is counted once; there is no family of what stands nowhere.
pub fn policies(subjects: &Subjects, now: Time, out: &mut impl Tell) {
    let mut all = Policies::default();
    for (service, pipeline) in &subjects.pipelines {
        let stages = pipeline.stages().iter();
        stages.for_each(|stage| all.add(service, stage, now));
    }
    for (service, endpoint, places) in &subjects.connections {
        let labels = vec![("service", service.clone()), ("endpoint", endpoint.clone())];
        all.connections.add(labels, places.snapshot(now));
    }
    all.limiters.tell(out, LIMITER);
    all.scopes.tell(out, SCOPES);
    all.throttles.tell(out, THROTTLE);
    all.bulkheads.tell(out, BULKHEAD);
    all.limits.tell(out, ADAPTIVE);
    all.connections.tell(out, CONNECTIONS);
    all.budgets.tell(out, RETRY);
    all.hedges.tell(out, HEDGE);
    all.spans.tell(out, TIMEOUT);
    all.timeouts.tell(out, ADAPTIVE_TIMEOUT);
    all.balancers.tell(out, BALANCER);
    all.endpoints.tell(out, ENDPOINT);
    stand_ins::tell(subjects, out);
    queues::tell(subjects, out);
}

impl Policies {
    fn add(&mut self, service: &str, stage: &Stage, now: Time) {
        if address(stage).is_some_and(|address| !self.seen.insert(address)) {
            return;
        }
        let labels = || vec![("service", service.to_owned())];
        let and = |label, value: &str| -> Labels { [labels(), vec![(label, value.to_owned())]].concat() };
        match stage.snapshot(now) {
            PolicySnapshot::RateLimiter(told) => self.limiters.add(labels(), told),
            PolicySnapshot::Throttle(told) => self.throttles.add(labels(), told),
            PolicySnapshot::Scopes(told) => self.scopes.add(labels(), told),
            PolicySnapshot::Bulkhead(told) => self.places(and("stage", "bulkhead"), told),
            PolicySnapshot::Pool(told) => self.places(and("stage", "pool"), told),
            PolicySnapshot::Retry { budget: Some(budget), .. } => self.budgets.add(labels(), budget),
            PolicySnapshot::Hedge(told) => self.hedges.add(labels(), told),
            PolicySnapshot::Timeout { span_nanos } => self.spans.add(labels(), span_nanos),
            PolicySnapshot::AdaptiveTimeout(told) => {
                self.spans.add(labels(), told.span_nanos);
                self.timeouts.add(labels(), told);
            }
            PolicySnapshot::Balancer(told) => {
                self.balancers.add(labels(), told.refused);
                for endpoint in told.endpoints {
                    self.endpoints.add(and("endpoint", &endpoint.name), endpoint);
                }
            }
            _ => {}
        }
    }

    fn places(&mut self, labels: Labels, told: bulkhead::Snapshot) {
        if let Some(limit) = &told.adaptive {
            self.limits.add(labels.clone(), *limit);
        }
        self.bulkheads.add(labels, told);
    }
}

/// What tells a policy that several pipelines share from another one. Pipelines are held, so it is not given twice.
fn address(stage: &Stage) -> Option<usize> {
    match stage {
        Stage::RateLimiter(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::Pick(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::Throttle(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::Scopes(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::Bulkhead(shared) | Stage::Pool(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::Retry { budget, .. } => budget.as_ref().map(|shared| Arc::as_ptr(shared).addr()),
        Stage::Hedge(shared) => Some(Arc::as_ptr(shared).addr()),
        Stage::AdaptiveTimeout(shared) => Some(Arc::as_ptr(shared).addr()),
        _ => None,
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

const LIMITER: &[Family<limiter::Snapshot>] = &[
    counter_by(
        "rate_limiter_calls_total",
        "Calls by result: admitted at once or after a wait, or rejected.",
        "result",
        &[("admitted", |s| s.totals.admitted as f64), ("rejected", |s| s.totals.rejected as f64)],
    ),
    counter("rate_limiter_waited_total", "Admitted calls that had to wait for their turn.", |s| {
        s.totals.waited as f64
    }),
    counter(
        "rate_limiter_refunded_total",
        "Permits that came back because their calls never went on.",
        |s| s.totals.refunded as f64,
    ),
    counter(
        "rate_limiter_turned_away_total",
        "Calls whose key found no room and that shared the newcomers' quota.",
        |s| s.turned_away as f64,
    ),
    gauge("rate_limiter_available", "Calls that may go at once; of those without a key.", Sum, |s| {
        s.available as f64
    }),
    gauge("rate_limiter_keys", "Keys with a quota of their own.", Sum, |s| s.keys as f64),
    gauge("rate_limiter_share", "Share of the configured rate in force, 0 to 1.", Min, |s| s.share.as_f64()),
];

const SCOPES: &[Family<scope::Snapshot>] = &[counter_by(
    "scope_blamed_total",
    "Failed and slow calls by whose they were: an endpoint's, a tenant's or the service's.",
    "scope",
    &[
        ("endpoint", |s| s.blamed.endpoint as f64),
        ("tenant", |s| s.blamed.tenant as f64),
        ("service", |s| s.blamed.service as f64),
    ],
)];

const CHANCES: Values<throttle::Snapshot> = &[
    ("low", |s| s.chances[0].as_f64()),
    ("normal", |s| s.chances[1].as_f64()),
    ("high", |s| s.chances[2].as_f64()),
    ("critical", |s| s.chances[3].as_f64()),
];

const THROTTLE: &[Family<throttle::Snapshot>] = &[
    counter_by(
        "throttle_sent_total",
        "Calls let through, by priority.",
        "priority",
        &[
            ("low", |s| s.totals.sent[0] as f64),
            ("normal", |s| s.totals.sent[1] as f64),
            ("high", |s| s.totals.sent[2] as f64),
            ("critical", |s| s.totals.sent[3] as f64),
        ],
    ),
    counter_by(
        "throttle_throttled_total",
        "Calls turned away without being made, by priority.",
        "priority",
        &[
            ("low", |s| s.totals.throttled[0] as f64),
            ("normal", |s| s.totals.throttled[1] as f64),
            ("high", |s| s.totals.throttled[2] as f64),
            ("critical", |s| s.totals.throttled[3] as f64),
        ],
    ),
    counter("throttle_given_back_total", "Calls let through and then never made.", |s| {
        s.totals.given_back.iter().sum::<u64>() as f64
    }),
    counter(
        "throttle_refused_total",
        "Calls that the dependency refused: overload, timeout, connection.",
        |s| s.totals.refused as f64,
    ),
    Family {
        name: "throttle_chance",
        kind: Kind::Gauge,
        help: "Chance of a call to be turned away now, by priority, 0 to 1.",
        join: Max,
        parts: Parts::By("priority", CHANCES),
    },
];

const BULKHEAD: &[Family<bulkhead::Snapshot>] = &[
    gauge("bulkhead_capacity", "Places there are now.", Sum, |s| s.capacity as f64),
    gauge("bulkhead_in_use", "Places taken.", Sum, |s| s.in_use as f64),
    gauge("bulkhead_peak_in_use", "The most places ever taken at once.", Max, |s| s.peak_in_use as f64),
    gauge(
        "bulkhead_recent_peak",
        "The most places taken at once in the last five to ten minutes.",
        Max,
        |s| s.recent_peak as f64,
    ),
    gauge("bulkhead_waiting", "Calls in the queue.", Sum, |s| s.waiting as f64),
    gauge("bulkhead_keys", "Keys that hold a place or wait.", Sum, |s| s.keys as f64),
    counter_by(
        "bulkhead_calls_total",
        "Calls by result: admitted at once or after a wait, refused by reason, or given up while waiting.",
        "result",
        &[
            ("admitted", |s| s.admitted as f64),
            ("full", |s| s.refused.full as f64),
            ("timed_out", |s| s.refused.timed_out as f64),
            ("shed", |s| s.refused.shed as f64),
            ("key_full", |s| s.refused.key_full as f64),
            ("cancelled", |s| s.cancelled as f64),
        ],
    ),
    counter("bulkhead_waited_total", "Admitted calls that had to wait.", |s| s.waited as f64),
    counter("bulkhead_wait_seconds_total", "How long those waited in all.", |s| seconds(s.wait_nanos)),
    counter("bulkhead_occupied_seconds_total", "How long somebody was waiting.", |s| {
        seconds(s.occupied_nanos)
    }),
    counter("bulkhead_waker_panics_total", "Wakers that panicked.", |s| s.waker_panics as f64),
];

const CONNECTIONS: &[Family<bulkhead::Snapshot>] = &[
    gauge("connection_pool_capacity", "Connections that the endpoint may have.", Sum, |s| s.capacity as f64),
    gauge("connection_pool_in_use", "Connections that it has, busy or at rest.", Sum, |s| s.in_use as f64),
    gauge("connection_pool_peak_in_use", "The most connections ever at once.", Max, |s| s.peak_in_use as f64),
    gauge("connection_pool_waiting", "Calls that wait for a connection.", Sum, |s| s.waiting as f64),
    counter_by(
        "connection_pool_calls_total",
        "Calls that found no connection at rest, by result: admitted to a place, refused by reason, or left the line for a connection that came back, or for good.",
        "result",
        &[
            ("admitted", |s| s.admitted as f64),
            ("full", |s| s.refused.full as f64),
            ("timed_out", |s| s.refused.timed_out as f64),
            ("left", |s| s.cancelled as f64),
        ],
    ),
    counter("connection_pool_waited_total", "Those that were admitted after a wait.", |s| s.waited as f64),
    counter("connection_pool_wait_seconds_total", "How long those waited in all.", |s| seconds(s.wait_nanos)),
];

const ADAPTIVE: &[Family<adaptive::Snapshot>] = &[
    gauge("bulkhead_limit", "Calls that the adaptive limit allows at once.", Sum, |s| s.limit as f64),
    gauge("bulkhead_limit_no_load_seconds", "Latency without load, as last measured; 0 before.", Max, |s| {
        s.no_load_rtt.unwrap_or_default().as_secs_f64()
    }),
    gauge("bulkhead_limit_latency_seconds", "Mean latency of the last full window; 0 before.", Max, |s| {
        s.rtt.unwrap_or_default().as_secs_f64()
    }),
    counter_by(
        "bulkhead_limit_changes_total",
        "Changes of the adaptive limit, by direction.",
        "direction",
        &[("raised", |s| s.totals.raised as f64), ("lowered", |s| s.totals.lowered as f64)],
    ),
    counter_by(
        "bulkhead_limit_calls_total",
        "Calls by what they say of load: answers, drops (timeouts, overload), none.",
        "evidence",
        &[
            ("answer", |s| s.totals.answers as f64),
            ("drop", |s| s.totals.drops as f64),
            ("none", |s| s.totals.without_evidence as f64),
        ],
    ),
    counter(
        "bulkhead_limit_probes_total",
        "Measurements of the latency without load, the first at the start.",
        |s| s.probes as f64,
    ),
];

const RETRY: &[Family<BudgetSnapshot>] = &[
    counter("retry_first_tries_total", "First tries that the retry budget counts.", |s| s.first_tries as f64),
    counter("retry_retries_total", "Retries that the budget paid for.", |s| s.granted as f64),
    counter("retry_budget_denied_total", "Retries not made because the service's budget was spent.", |s| {
        s.denied as f64
    }),
    gauge("retry_budget_available", "Retries that the budget would pay for now.", Sum, |s| {
        s.available as f64
    }),
];

const HEDGE: &[Family<hedge::Snapshot>] = &[
    counter("hedge_first_tries_total", "First attempts.", |s| s.first_tries as f64),
    counter("hedge_hedges_total", "Second attempts sent beside a slow first one.", |s| s.hedges as f64),
    counter("hedge_wins_total", "Hedges that answered first.", |s| s.wins as f64),
    counter("hedge_denied_total", "Hedges that the budget refused.", |s| s.denied as f64),
    gauge("hedge_delay_seconds", "How long an attempt is left alone now.", Max, |s| seconds(s.delay_nanos)),
];

const TIMEOUT: &[Family<u64>] =
    &[gauge("timeout_span_seconds", "What an attempt that begins now may take.", Max, |span| seconds(*span))];

const ADAPTIVE_TIMEOUT: &[Family<timeout::Snapshot>] = &[
    counter("timeout_timed_out_total", "Attempts that an adaptive timeout cut off.", |s| s.timed_out as f64),
    gauge("timeout_samples", "Attempts that an adaptive timeout looks back on.", Sum, |s| s.samples as f64),
];

const BALANCER: &[Family<u64>] =
    &[counter("balancer_refused_total", "Calls for which no endpoint was fit.", |refused| *refused as f64)];

const ENDPOINT: &[Family<balancer::EndpointSnapshot>] = &[
    counter("balancer_picked_total", "Calls picked for the endpoint.", |s| s.picked as f64),
    counter_by(
        "balancer_calls_total",
        "Calls picked for the endpoint by how they ended; given_back ones were not made.",
        "result",
        &[
            ("success", |s| s.success as f64),
            ("failure", |s| s.failure as f64),
            ("ignored", |s| s.ignored as f64),
            ("cancelled", |s| s.cancelled as f64),
            ("given_back", |s| s.given_back as f64),
        ],
    ),
    counter("balancer_ejections_total", "Times the endpoint was ejected as an outlier.", |s| {
        s.ejections as f64
    }),
    gauge("balancer_ejected", "1 while the endpoint is kept out as an outlier.", Max, |s| {
        f64::from(u8::from(s.ejected_until.is_some()))
    }),
    gauge("balancer_healthy", "0 while health checks fail.", Min, |s| f64::from(u8::from(s.healthy))),
    counter_by(
        "balancer_checks_total",
        "Health checks of the endpoint, by what they found.",
        "result",
        &[("good", |s| s.good_checks as f64), ("bad", |s| s.bad_checks as f64)],
    ),
    gauge("balancer_in_flight", "Calls picked for the endpoint that have not ended.", Sum, |s| {
        s.in_flight as f64
    }),
    gauge("balancer_latency_seconds", "Latency that the endpoint is taken for.", Max, |s| {
        seconds(s.latency_nanos)
    }),
    gauge("balancer_ramp", "Share of its traffic that a slow start leaves the endpoint, 0 to 1.", Min, |s| {
        s.ramp.as_f64()
    }),
];
