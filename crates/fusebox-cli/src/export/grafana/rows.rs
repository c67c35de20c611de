//! What the rows show.

use super::panel::Panel;
use super::{Has, Row};
use crate::export::circuits::Circuits;

/// The circuits that were chosen.
const CIRCUIT: &str = "circuit_name=~\"$circuit\"";
/// The services that were chosen.
const SERVICE: &str = "service=~\"$service\"";

/// Every row there is something to show in.
pub(super) fn all(has: &Has, circuits: &[Circuits]) -> Vec<Row> {
    let optional = [
        (has.retry_budget, retries as fn() -> Row),
        (has.hedge, hedges),
        (has.bulkhead, bulkheads),
        (has.limiter, limiters),
        (has.throttle, throttles),
        (has.fallback, fallbacks),
        (has.cached, kept),
        (has.queue, queue),
        (has.balancer, endpoints),
        (has.connections, connections),
        (has.scopes, scopes),
    ];
    let mut rows = vec![open(), traffic(), rates(circuits)];
    rows.extend(optional.into_iter().filter(|(there, _)| *there).map(|(_, row)| row()));
    rows.push(operators());
    rows
}

/// A rate, added up by `labels`.
fn per_second(metric: &str, matchers: &str, labels: &str) -> String {
    format!("sum by ({labels}) (rate({metric}{{{matchers}}}[$__rate_interval]))")
}

/// A gauge, the worst of all instances by `labels`.
fn worst(metric: &str, matchers: &str, labels: &str) -> String {
    format!("max by ({labels}) ({metric}{{{matchers}}})")
}

fn open() -> Row {
    let (state, away) = ("circuit_breaker_state", "circuit_breaker_not_closed_seconds");
    let number = |value: u32| format!("sum({state}{{{SERVICE},{CIRCUIT}}} == bool {value})");
    let rejected = format!("{CIRCUIT},result=\"rejected\"");
    let panels = vec![
        Panel::number("Open", 1.0, "Circuits that refuse every call.").with(number(1), "open"),
        Panel::number("Half-open", 1.0, "Circuits that probe.").with(number(2), "half-open"),
        Panel::number("Rejected per second", 1.0, "Calls that were not made.").with(
            format!("sum(rate(circuit_breaker_calls_total{{{rejected}}}[$__rate_interval]))"),
            "rejected",
        ),
        Panel::number("Held by an operator", 1.0, "Circuits that do not decide for themselves.")
            .with(format!("sum(circuit_breaker_override{{{CIRCUIT}}})"), "held"),
        Panel::states("State", "Over all instances the worst.")
            .with(format!("max by (circuit_name) ({state}{{{SERVICE},{CIRCUIT}}})"), "{{circuit_name}}"),
        Panel::bars("Not closed for", "s", "Since it was last closed, through failed recoveries.")
            .with(format!("{} > 0", worst(away, CIRCUIT, "circuit_name")), "{{circuit_name}}"),
        Panel::moments("Probes again", "When callers may be let through again.").with(
            format!(
                "1000 * ({} > 0)",
                worst("circuit_breaker_next_probe_timestamp_seconds", CIRCUIT, "circuit_name")
            ),
            "{{circuit_name}}",
        ),
        Panel::words(
            "Why it is open",
            "The sentence stands in the admin interface: `reason` and `last_trip` at `/circuits/{name}` say which rule \
             it was, the numbers, and the last failures. What its rules watch is in the row *Rates*.",
        ),
    ];
    Row { title: "What is open, why, and until when", panels }
}

fn traffic() -> Row {
    let calls = "circuit_breaker_calls_total";
    let made = "success|failure|ignored|cancelled|late|rejected";
    let panels = vec![
        Panel::lines("Calls by result", "reqps", "`slow` overlaps the others.").with(
            per_second(calls, CIRCUIT, "result"),
            "{{result}}",
        ),
        Panel::lines("Rejected", "reqps", "Calls that were not made, by circuit.").with(
            per_second(calls, &format!("{CIRCUIT},result=\"rejected\""), "circuit_name"),
            "{{circuit_name}}",
        ),
        Panel::lines("Share rejected", "percentunit", "Of the calls that asked. The alert is at 5%.").with(
            format!(
                "{} / {}",
                per_second(calls, &format!("{CIRCUIT},result=\"rejected\""), "circuit_name"),
                per_second(calls, &format!("{CIRCUIT},result=~\"{made}\""), "circuit_name"),
            ),
            "{{circuit_name}}",
        ),
        Panel::lines("Changes of state", "short", "From one state to another.").wide(24).with(
            format!(
                "sum by (circuit_name, from_state, to_state) (increase(circuit_breaker_state_changes_total{{{CIRCUIT}}}\
                 [$__rate_interval]))"
            ),
            "{{circuit_name}}: {{from_state}} to {{to_state}}",
        ),
    ];
    Row { title: "Traffic", panels }
}

fn rates(circuits: &[Circuits]) -> Row {
    // One line for each threshold, with the circuits it holds for.
    let thresholds = |panel: Panel, of: fn(&Circuits) -> Option<f64>| {
        let mut lines: Vec<(f64, Vec<&str>)> = Vec::new();
        for group in circuits.iter().filter(|group| group.title != "other") {
            let Some(limit) = of(group) else { continue };
            match lines.iter_mut().find(|(known, _)| *known == limit) {
                Some((_, names)) => names.push(&group.title),
                None => lines.push((limit, vec![&group.title])),
            }
        }
        lines.iter().fold(panel, |panel, (limit, names)| {
            panel.with(format!("vector({limit})"), format!("opens: {}", names.join(", ")))
        })
    };
    let gauge = |metric: &str| worst(metric, CIRCUIT, "circuit_name");
    let failed = Panel::lines("Failure rate", "percentunit", "Of the window; 0 while not closed.")
        .with(gauge("circuit_breaker_failure_rate"), "{{circuit_name}}");
    let slow = Panel::lines("Slow call rate", "percentunit", "Of the window; 0 while not closed.")
        .with(gauge("circuit_breaker_slow_call_rate"), "{{circuit_name}}");
    let in_a_row = Panel::lines("Failures in a row", "short", "However far apart.")
        .with(gauge("circuit_breaker_consecutive_failures"), "{{circuit_name}}");
    let hung = Panel::lines("Hung calls", "short", "In flight past the slow threshold.")
        .wide(24)
        .with(gauge("circuit_breaker_hung_calls"), "{{circuit_name}}");
    let panels = vec![
        thresholds(failed, |group| group.settings.config().failure_rate),
        thresholds(slow, |group| group.settings.config().slow_call_rate),
        thresholds(in_a_row, |group| group.settings.config().consecutive_failures.map(f64::from)),
        hung,
    ];
    Row { title: "Rates, and where they open", panels }
}

fn retries() -> Row {
    let panels = vec![
        Panel::lines("First tries and retries", "reqps", "What the budget counts, and what it pays for.")
            .with(per_second("retry_first_tries_total", SERVICE, "service"), "{{service}}: first")
            .with(per_second("retry_retries_total", SERVICE, "service"), "{{service}}: again"),
        Panel::lines("Retries denied", "reqps", "Not made, because the budget was spent.")
            .with(per_second("retry_budget_denied_total", SERVICE, "service"), "{{service}}"),
        Panel::lines("Budget", "short", "Retries that it would pay for now.")
            .with(format!("min by (service) (retry_budget_available{{{SERVICE}}})"), "{{service}}"),
    ];
    Row { title: "Retries and their budget", panels }
}

fn hedges() -> Row {
    let panels = vec![
        Panel::lines("Hedges", "reqps", "Second attempts beside a slow one.")
            .with(per_second("hedge_hedges_total", SERVICE, "service"), "{{service}}: sent")
            .with(per_second("hedge_wins_total", SERVICE, "service"), "{{service}}: won")
            .with(per_second("hedge_denied_total", SERVICE, "service"), "{{service}}: denied"),
        Panel::lines("Delay", "s", "How long an attempt is left alone.")
            .with(worst("hedge_delay_seconds", SERVICE, "service"), "{{service}}"),
    ];
    Row { title: "Hedges", panels }
}

fn bulkheads() -> Row {
    let by = "service, stage";
    let panels = vec![
        Panel::lines("Places", "short", "Taken, and how many there are.")
            .with(format!("sum by ({by}) (bulkhead_in_use{{{SERVICE}}})"), "{{service}} {{stage}}: taken")
            .with(format!("sum by ({by}) (bulkhead_capacity{{{SERVICE}}})"), "{{service}} {{stage}}: all"),
        Panel::lines("Waiting", "short", "Calls in the queue.")
            .with(format!("sum by ({by}) (bulkhead_waiting{{{SERVICE}}})"), "{{service}} {{stage}}"),
        Panel::lines("Refused", "reqps", "By reason.").with(
            per_second(
                "bulkhead_calls_total",
                &format!("{SERVICE},result!=\"admitted\""),
                "service, stage, result",
            ),
            "{{service}} {{stage}}: {{result}}",
        ),
    ];
    Row { title: "Bulkheads", panels }
}

fn limiters() -> Row {
    let panels = vec![
        Panel::lines("Calls", "reqps", "Within the quota, and beyond it.").with(
            per_second("rate_limiter_calls_total", SERVICE, "service, result"),
            "{{service}}: {{result}}",
        ),
        Panel::lines("Available", "short", "Calls that may go at once.")
            .with(format!("min by (service) (rate_limiter_available{{{SERVICE}}})"), "{{service}}"),
        Panel::lines("Waited", "reqps", "Calls that had to wait for their turn.")
            .with(per_second("rate_limiter_waited_total", SERVICE, "service"), "{{service}}"),
    ];
    Row { title: "Rate limiters", panels }
}

fn throttles() -> Row {
    let by = "service, priority";
    let panels = vec![
        Panel::lines("Turned away", "reqps", "By priority.")
            .with(per_second("throttle_throttled_total", SERVICE, by), "{{service}}: {{priority}}"),
        Panel::lines("Chance to be turned away", "percentunit", "Now.")
            .with(worst("throttle_chance", SERVICE, by), "{{service}}: {{priority}}"),
    ];
    Row { title: "Throttles", panels }
}

fn fallbacks() -> Row {
    let by = "service, kind, result";
    let panels = vec![
        Panel::lines("Asked", "reqps", "Which fallback answered.")
            .with(per_second("fallback_asked_total", SERVICE, by), "{{service}} {{kind}}: {{result}}"),
        Panel::lines("Unanswered", "reqps", "Calls for which none had an answer.")
            .with(per_second("fallback_unanswered_total", SERVICE, "service"), "{{service}}"),
    ];
    Row { title: "Fallbacks", panels }
}

fn kept() -> Row {
    let panels = vec![
        Panel::lines("Looks", "reqps", "For a kept answer.")
            .with(per_second("cache_looks_total", SERVICE, "service, result"), "{{service}}: {{result}}"),
        Panel::lines("Weight", "bytes", "Of what is kept, and what it may be.")
            .with(format!("sum by (service) (cache_bytes{{{SERVICE}}})"), "{{service}}: kept")
            .with(format!("sum by (service) (cache_max_bytes{{{SERVICE}}})"), "{{service}}: at most"),
    ];
    Row { title: "Kept answers", panels }
}

fn queue() -> Row {
    let panels = vec![
        Panel::lines("Depth", "short", "Calls that have not ended, by class. The alert is on their sum.")
            .with("sum by (queue, class) (deferred_queue_depth)", "{{queue}}: {{class}}"),
        Panel::lines("Oldest", "s", "How long it has waited.")
            .with("max by (queue) (deferred_queue_oldest_age_seconds)", "{{queue}}"),
        Panel::lines("Fill", "percentunit", "Of the fuller of the two limits.")
            .with("max by (queue) (deferred_queue_fill)", "{{queue}}"),
        Panel::lines("Replay", "reqps", "What became of deferred calls.")
            .with("sum by (result) (rate(deferred_queue_calls_total[$__rate_interval]))", "{{result}}"),
        Panel::lines("Not kept", "reqps", "By reason.")
            .with("sum by (result) (rate(deferred_queue_refused_total[$__rate_interval]))", "{{result}}"),
        Panel::lines("Dead, to be checked, paused", "short", "What waits for somebody.")
            .with("sum by (queue) (deferred_queue_dead)", "{{queue}}: dead")
            .with("sum by (queue) (deferred_queue_needs_check)", "{{queue}}: to be checked")
            .with("max by (queue) (deferred_queue_paused)", "{{queue}}: paused"),
    ];
    Row { title: "Deferred calls", panels }
}

fn endpoints() -> Row {
    let by = "service, endpoint";
    let name = "{{service}} {{endpoint}}";
    let panels = vec![
        Panel::lines("Picked", "reqps", "Calls for each endpoint.")
            .with(per_second("balancer_picked_total", SERVICE, by), name),
        Panel::lines("Failed", "reqps", "Calls that failed.")
            .with(per_second("balancer_calls_total", &format!("{SERVICE},result=\"failure\""), by), name),
        Panel::lines("Latency", "s", "What each is taken for.")
            .with(worst("balancer_latency_seconds", SERVICE, by), name),
        Panel::lines("Out", "short", "Unhealthy, or kept out as an outlier.")
            .with(format!("1 - min by ({by}) (balancer_healthy{{{SERVICE}}})"), format!("{name}: unhealthy"))
            .with(worst("balancer_ejected", SERVICE, by), format!("{name}: outlier")),
        Panel::lines("Share in slow start", "percentunit", "What a slow start leaves each.")
            .with(format!("min by ({by}) (balancer_ramp{{{SERVICE}}})"), name),
        Panel::lines("No endpoint", "reqps", "Calls for which none was fit.")
            .with(per_second("balancer_refused_total", SERVICE, "service"), "{{service}}"),
    ];
    Row { title: "Endpoints", panels }
}

fn connections() -> Row {
    let by = "service, endpoint";
    let name = "{{service}} {{endpoint}}";
    let panels = vec![
        Panel::lines("Connections", "short", "There are, and there may be.")
            .with(format!("sum by ({by}) (connection_pool_in_use{{{SERVICE}}})"), name)
            .with(
                format!("sum by ({by}) (connection_pool_capacity{{{SERVICE}}})"),
                format!("{name}: at most"),
            ),
        Panel::lines("Waiting", "short", "Calls that wait for one.")
            .with(format!("sum by ({by}) (connection_pool_waiting{{{SERVICE}}})"), name),
    ];
    Row { title: "Connections", panels }
}

fn scopes() -> Row {
    let blamed = per_second("scope_blamed_total", SERVICE, "service, scope");
    let panels = vec![
        Panel::lines("Who is to blame", "reqps", "Failed and slow calls, by whose they were.")
            .wide(24)
            .with(blamed, "{{service}}: {{scope}}"),
    ];
    Row { title: "Scopes", panels }
}

fn operators() -> Row {
    let faults = "sum(increase(circuit_breaker_internal_faults_total[$__rate_interval]))";
    let panels = vec![
        Panel::bars("Overrides", "short", "Circuits that an operator holds, and how.").with(
            format!("{} == 1", worst("circuit_breaker_override", CIRCUIT, "circuit_name, mode")),
            "{{circuit_name}}: {{mode}}",
        ),
        Panel::lines("fusebox itself", "short", "Faults of its own, and circuits without series.")
            .with(faults, "internal faults")
            .with("max(fusebox_metrics_capped)", "circuits without series")
            .with("sum(fusebox_circuits_turned_away_total)", "look-ups that shared a circuit"),
        Panel::bars("Versions", "short", "Instances by version.")
            .with("count by (version) (fusebox_build_info)", "{{version}}"),
    ];
    Row { title: "Overrides, and fusebox itself", panels }
}
