//! What is doubtful about a plan that works.

use super::breaker::MAX_CIRCUITS;
use super::chain::{Counts, Policies};
use super::duration::show;
use super::plan::{Plan, Route, Service};
use fusebox_core::Time;
use fusebox_core::explain::{self, Doubt};
use fusebox_core::pipeline::Pipeline;

/// The warnings of a whole plan, a sentence each. `unbounded` names those that have a circuit by key and say
/// nothing of their number.
pub(super) fn of(plan: &Plan, unbounded: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(admin) = plan.admin.as_ref().filter(|admin| admin.plain) {
        let at = &admin.listen;
        warnings
            .push(format!("admin: listens on {at} without TLS: its tokens go over the network in the clear"));
    }
    for service in &plan.services {
        let Some(own) = service.own_route() else { continue };
        let inherited = doubts(plan, service, own, unbounded);
        warnings.extend(inherited.iter().map(|text| format!("{}: {text}", service.name)));
        for route in service.inner_routes() {
            let doubts = doubts(plan, service, route, unbounded);
            let new = doubts.iter().filter(|text| !inherited.contains(text));
            warnings.extend(new.map(|text| format!("{}: {text}", route.name)));
            warnings.extend(shared_circuit(own, route).map(|text| format!("{}: {text}", route.name)));
        }
    }
    warnings
}

/// What is doubtful about one route by itself.
fn doubts(plan: &Plan, service: &Service, route: &Route, unbounded: &[String]) -> Vec<String> {
    let policies = &route.policies;
    let mut doubts = Vec::new();
    let pipeline = Pipeline::new(policies.pipeline(&service.endpoints, Time::ZERO));
    let circuit = (policies.circuit == route.name).then_some(&*policies.breaker);
    doubts.extend(explain::doubts(&pipeline, circuit).iter().map(Doubt::to_string));
    if unbounded.contains(&route.name) {
        doubts.push(format!(
            "breaker.key without max_circuits: the first {MAX_CIRCUITS} values have a circuit each, later ones share one"
        ));
    }
    doubts.extend(waits(plan, policies));
    doubts.extend(classes(policies));
    doubts
}

/// What is doubtful about places, with as many clients as there may be.
fn waits(plan: &Plan, policies: &Policies) -> Option<String> {
    let bulkhead = policies.bulkhead.as_ref()?;
    let config = bulkhead.settings.config();
    let (places, queue, wait) = (config.max_concurrent, config.max_queue, config.max_wait);
    // A client's connection has one call at a time.
    let most = plan.limits.max_connections as u64;
    if bulkhead.counts != Counts::Calls || bulkhead.adaptive.is_some() {
        return None;
    }
    if places >= most {
        return Some(format!(
            "bulkhead.max_concurrent ({places}) holds nobody back: limits.max_connections lets {most} clients in"
        ));
    }
    (queue > 0 && !wait.is_zero() && places + u64::from(queue) > most).then(|| {
        format!(
            "bulkhead.max_queue ({queue}) can never fill: beside {places} places there are at most {} more clients (limits.max_connections is {most})",
            most - places
        )
    })
}

/// What is doubtful about priorities.
fn classes(policies: &Policies) -> Option<String> {
    let bulkhead = policies.bulkhead.as_ref();
    let sheds = bulkhead.is_some_and(|bulkhead| bulkhead.settings.config().shares != [1.0; 4]);
    match &policies.priority {
        None if sheds => Some("bulkhead.shares without priority: every call is of one class".into()),
        Some(_) if bulkhead.is_none() && policies.throttle.is_none() => {
            Some("priority without bulkhead or throttle: nothing asks for it".into())
        }
        _ => None,
    }
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
