//! Alerts on circuits, and on the retries before them.

use super::{Alert, Group, minutes, prom};
use crate::export::circuits::{Circuits, round};
use fusebox_core::breaker::Window;
use fusebox_core::explain::span;
use fusebox_proxy::config::Plan;
use std::time::Duration;

const NAME: &str = "{{ $labels.circuit_name }}";
/// A circuit that has been away for longer than this is an outage.
const DOWN: u64 = 60;
/// Trips from closed in one stretch of time that make it flapping.
const FLAPS: u32 = 3;

/// The rules on `circuits`.
pub(super) fn group(circuits: &Circuits) -> Group {
    let mut alerts = vec![open(circuits), down(circuits), flapping(circuits)];
    alerts.extend(failing(circuits));
    alerts.extend([rejections(circuits), rejecting_good(circuits), stuck(circuits), overridden(circuits)]);
    let named = !circuits.selector.is_empty();
    let title = named.then(|| circuits.title.clone());
    Group { name: format!("fusebox-circuits-{}", circuits.title), circuits: title, alerts }
}

fn open(circuits: &Circuits) -> Alert {
    Alert {
        name: "CircuitBreakerOpen",
        expr: format!("{} > 0", circuits.metric("circuit_breaker_state", "")),
        lasts: Some(minutes(1)),
        severity: "warning",
        service: None,
        summary: format!("Circuit {NAME} is not closed"),
        description: format!(
            "Calls to {{{{ $labels.service }}}} have been refused or answered by the fallback for more than a minute; \
             half-open counts too. {}",
            circuits.numbers()
        ),
    }
}

fn down(circuits: &Circuits) -> Alert {
    // As long as probes may be apart, and then some: traffic may be thin.
    let window = minutes(10).max(circuits.longest_wait() * 2);
    let (away, forced) = ("circuit_breaker_not_closed_seconds", "mode=\"forced_open\"");
    let failed = "from_state=\"half_open\",to_state=\"open\"";
    let expr = format!(
        "{} > {DOWN}\nand\nsum without (from_state, to_state) (increase({}[{}])) > 0\nunless ignoring (mode)\n{} == 1",
        circuits.metric(away, ""),
        circuits.metric("circuit_breaker_state_changes_total", failed),
        prom(window),
        circuits.metric("circuit_breaker_override", forced),
    );
    Alert {
        name: "DependencyDown",
        expr,
        lasts: None,
        severity: "critical",
        service: None,
        summary: format!("The dependency behind {NAME} is down"),
        description: format!(
            "Not closed for {{{{ $value | humanizeDuration }}}} (more than {DOWN}s), and a recovery has failed within {}: \
             it was probed and did not answer well. {}",
            span(window),
            circuits.numbers()
        ),
    }
}

fn flapping(circuits: &Circuits) -> Alert {
    // A circuit that flaps waits longer each time, so the longest wait must fit in often enough.
    let window = minutes(10).max(circuits.longest_wait() * (FLAPS + 1));
    let trips =
        circuits.metric("circuit_breaker_state_changes_total", "from_state=\"closed\",to_state=\"open\"");
    Alert {
        name: "CircuitBreakerFlapping",
        // `increase` extrapolates: two trips may read as a little more than two.
        expr: format!(
            "sum without (from_state, to_state) (increase({trips}[{}])) > {}",
            prom(window),
            f64::from(FLAPS) - 0.5
        ),
        lasts: None,
        severity: "critical",
        service: None,
        summary: format!("Circuit {NAME} is flapping"),
        description: format!(
            "It has closed and opened again {{{{ $value | humanize }}}} times in {} ({FLAPS} or more): what it protects \
             is well enough for probes and not for the traffic. {}",
            span(window),
            circuits.numbers()
        ),
    }
}

fn failing(circuits: &Circuits) -> Option<Alert> {
    let config = circuits.settings.config();
    let (trips_at, least) = (config.failure_rate?, config.minimum_calls);
    let half = round(trips_at / 2.0);
    let settled = circuits.metric("circuit_breaker_calls_total", "result=~\"success|failure\"");
    // A window of calls has no length in time.
    let window = match config.window {
        Window::Time(time) => time.max(minutes(2)),
        Window::Calls(_) => minutes(5),
    };
    let expr = format!(
        "{} >= {half}\nand\nsum without (result) (increase({settled}[{}])) >= {least}",
        circuits.metric("circuit_breaker_failure_rate", ""),
        prom(window)
    );
    Some(Alert {
        name: "HighFailureRate",
        expr,
        lasts: Some(minutes(5)),
        severity: "warning",
        service: None,
        summary: format!("{NAME} fails often, and its circuit has not opened"),
        description: format!(
            "{{{{ $value | humanizePercentage }}}} of the calls in its window have failed, for 5 minutes; from {}% on it \
             would open. {}",
            round(trips_at * 100.0),
            circuits.numbers()
        ),
    })
}

fn rejections(circuits: &Circuits) -> Alert {
    let rejected = circuits.metric("circuit_breaker_calls_total", "result=\"rejected\"");
    let title = if circuits.selector.is_empty() { "all services" } else { &circuits.title };
    Alert {
        name: "HighRejectionRate",
        // Endpoints and keys have a circuit each; callers feel the sum.
        expr: format!("sum without (circuit_name) (rate({rejected}[5m])) > 10"),
        lasts: Some(minutes(2)),
        severity: "warning",
        service: None,
        summary: format!("High rejection rate on {title}"),
        description: format!(
            "The circuits of {title} refuse {{{{ $value | humanize }}}} calls per second in all (more than 10, over 5m). {}",
            circuits.numbers()
        ),
    }
}

fn rejecting_good(circuits: &Circuits) -> Alert {
    let calls = |result: &str| {
        let calls = circuits.metric("circuit_breaker_calls_total", &format!("result{result}"));
        format!("sum without (result) (rate({calls}[5m]))")
    };
    // `slow`, `recovering`, `would_reject` and `unenforced` are counted in addition.
    let all = calls("=~\"success|failure|ignored|cancelled|late|rejected\"");
    let expr = format!(
        "{} / {all} > 0.05\nand\n{} / {} > 0.5",
        calls("=\"rejected\""),
        calls("=\"success\""),
        calls("=~\"success|failure\""),
    );
    Alert {
        name: "RejectingGoodTraffic",
        expr,
        lasts: Some(minutes(2)),
        severity: "critical",
        service: None,
        summary: format!("Circuit {NAME} refuses calls that would probably succeed"),
        description: format!(
            "It refuses {{{{ $value | humanizePercentage }}}} of the calls (more than 5%, over 5m), and most of those it \
             lets through succeed. {}",
            circuits.numbers()
        ),
    }
}

fn stuck(circuits: &Circuits) -> Alert {
    let lease = circuits.settings.probe_lease();
    // Prometheus needs two samples to see that something did not change.
    let window = (lease * 2).max(minutes(2));
    let changes = circuits.metric("circuit_breaker_state_changes_total", "");
    let rejected = circuits.metric("circuit_breaker_calls_total", "result=\"rejected\"");
    let expr = format!(
        "{} == 2\nand ignoring (service)\nsum without (from_state, to_state) (increase({changes}[{window}])) == 0\n\
         and ignoring (service)\nsum without (result) (increase({rejected}[{window}])) > 0",
        circuits.metric("circuit_breaker_state", ""),
        window = prom(window),
    );
    Alert {
        name: "CircuitBreakerStuckHalfOpen",
        expr,
        lasts: None,
        severity: "critical",
        service: None,
        summary: format!("Circuit {NAME} is stuck half-open"),
        description: format!(
            "It has been half-open for {} and refuses calls, though a probe has a verdict after {} at the latest: more than \
             twice that long without one.",
            span(window),
            span(lease)
        ),
    }
}

fn overridden(circuits: &Circuits) -> Alert {
    Alert {
        name: "CircuitBreakerOverrideTooLong",
        expr: format!("{} == 1", circuits.metric("circuit_breaker_override", "")),
        lasts: Some(Duration::from_secs(3_600)),
        severity: "warning",
        service: None,
        summary: format!("Circuit {NAME} has been held for an hour: {{{{ $labels.mode }}}}"),
        description: "An operator's hold has been in force for more than 1h, and the circuit does not decide for itself."
            .into(),
    }
}

/// The rules on retries, where some service has a budget for them.
pub(super) fn retries(plan: &Plan, anything: bool) -> Option<Group> {
    let with_budget = |service: &&fusebox_proxy::config::Service| {
        let budget = |route: &fusebox_proxy::config::Route| {
            route.policies.retry.as_ref().is_some_and(|retry| retry.config().budget.is_some())
        };
        service.routes.iter().any(budget)
    };
    let services: Vec<_> = plan.services.iter().filter(with_budget).collect();
    let alerts = services.iter().filter_map(|service| {
        let retry = service.routes.iter().find_map(|route| route.policies.retry.as_ref()?.config().budget)?;
        let selector = if anything { String::new() } else { format!("{{service=\"{}\"}}", service.name) };
        let (denied, made) = (
            format!("rate(retry_budget_denied_total{selector}[5m])"),
            format!("rate(retry_retries_total{selector}[5m])"),
        );
        Some(Alert {
            name: "RetryBudgetExhausted",
            expr: format!("{denied} / ({denied} + {made}) > 0.1"),
            lasts: Some(minutes(2)),
            severity: "warning",
            service: (!anything).then(|| service.name.clone()),
            summary: "The retry budget of {{ $labels.service }} is spent".into(),
            description: format!(
                "{{{{ $value | humanizePercentage }}}} of the retries that calls asked for were not made (more than 10%, \
                 over 5m). The budget is {}% of the calls and {} per second besides.",
                round(retry.ratio * 100.0),
                retry.floor_per_second
            ),
        })
    });
    let alerts: Vec<_> = alerts.collect();
    (!alerts.is_empty()).then(|| Group { name: "fusebox-retries".into(), circuits: None, alerts })
}
