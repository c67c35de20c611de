//! What is doubtful about a plan that works.

use super::breaker::MAX_CIRCUITS;
use super::chain::Policies;
use super::duration::show;
use super::plan::{Plan, Route, Service};
use fusebox_core::pipeline::Order;

/// The warnings of a whole plan, a sentence each. `unbounded` names those that have a circuit by key and say
/// nothing of their number.
pub(super) fn of(plan: &Plan, unbounded: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(admin) = plan.admin.filter(|admin| !admin.ip().is_loopback()) {
        warnings.push(format!("admin: listens on {admin}: whoever reaches it reads every circuit"));
    }
    for service in &plan.services {
        let Some(own) = service.own_route() else { continue };
        let inherited = doubts(service, own, unbounded);
        warnings.extend(inherited.iter().map(|text| format!("{}: {text}", service.name)));
        for route in service.inner_routes() {
            let doubts = doubts(service, route, unbounded);
            let new = doubts.iter().filter(|text| !inherited.contains(text));
            warnings.extend(new.map(|text| format!("{}: {text}", route.name)));
            warnings.extend(shared_circuit(own, route).map(|text| format!("{}: {text}", route.name)));
        }
    }
    warnings
}

/// What is doubtful about one route by itself.
fn doubts(service: &Service, route: &Route, unbounded: &[String]) -> Vec<String> {
    let policies = &route.policies;
    let mut doubts = Vec::new();
    if policies.circuit == route.name {
        let settings = policies.breaker.warnings();
        doubts.extend(settings.iter().map(|warning| format!("breaker.{}: {}", warning.field, warning.text)));
        doubts.extend(never_slow(policies));
    }
    if unbounded.contains(&route.name) {
        doubts.push(format!(
            "breaker.key without max_circuits: the first {MAX_CIRCUITS} values have a circuit each, later ones share one"
        ));
    }
    if policies.fallback.is_none() {
        doubts.push("no fallback: while a circuit is open its callers get 503".into());
    }
    match (policies.call_timeout, policies.deadline) {
        (None, None) => {
            doubts.push("no call_timeout and no deadline: a call that hangs is held for ever".into())
        }
        (None, Some(deadline)) => {
            let end = show(deadline);
            doubts
                .push(format!("no call_timeout: an attempt that hangs is held until the deadline of {end}"));
        }
        (Some(timeout), Some(deadline)) if timeout > deadline => {
            let (timeout, deadline) = (show(timeout), show(deadline));
            doubts.push(format!(
                "call_timeout ({timeout}) is longer than the deadline ({deadline}): it never ends one"
            ));
        }
        _ => {}
    }
    let retries = policies.retry.as_ref().is_some_and(|retry| retry.config().max_attempts > 1);
    if retries && service.endpoints.len() > 1 && policies.order == Order::Seed {
        doubts.push("a retry stays on its endpoint: order = \"retry_outside\" lets it go to another".into());
    }
    doubts
}

fn never_slow(policies: &Policies) -> Option<String> {
    let (slow, timeout) = (policies.breaker.slow_call_duration()?, policies.call_timeout?);
    let (slow_text, timeout_text) = (show(slow), show(timeout));
    (slow > timeout).then(|| {
        format!("breaker.slow_call_duration ({slow_text}) is longer than call_timeout ({timeout_text}): nothing is slow")
    })
}

/// A circuit judges every route that shares it by the times of its service.
fn shared_circuit(own: &Route, route: &Route) -> Option<String> {
    let shares = route.policies.circuit != route.name;
    let (slow, timeout) = (own.policies.breaker.slow_call_duration()?, route.policies.call_timeout?);
    let (slow_text, timeout_text, circuit) = (show(slow), show(timeout), &own.name);
    (shares && route.policies.call_timeout != own.policies.call_timeout && timeout > slow).then(|| {
        format!(
            "calls of up to {timeout_text} count as slow from {slow_text} on in the circuit it shares with {circuit}: \
             a [service.route.breaker] gives it its own"
        )
    })
}
