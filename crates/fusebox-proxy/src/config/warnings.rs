//! What is doubtful about a plan that works.

use super::breaker::MAX_CIRCUITS;
use super::chain::{Counts, Policies};
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
    doubts.extend(retries(service, policies));
    doubts.extend(waits(plan, policies));
    doubts.extend(classes(policies));
    let mut regions = service.endpoints.windows(2).map(|pair| pair[0].region != pair[1].region);
    if regions.any(|differ| differ) && policies.balancer.config().region.is_none() {
        doubts.push(
            "endpoints are in several regions and nothing says which is ours: they are all as near".into(),
        );
    }
    doubts
}

/// What is doubtful about further attempts.
fn retries(service: &Service, policies: &Policies) -> Vec<String> {
    let most = policies.retry.as_ref().map_or(1, |retry| retry.config().max_attempts);
    let mut doubts = Vec::new();
    if most < 2 {
        return doubts;
    }
    match (policies.order, service.endpoints.len()) {
        (Order::Seed, 2..) => {
            doubts.push("a retry stays on its endpoint: order = \"retry_outside\" lets it go to another".into());
        }
        (Order::RetryOutside, 1) => doubts.push(format!(
            "order = \"retry_outside\" before one endpoint: a call that fails is up to {most} failures in its circuit"
        )),
        _ => {}
    }
    if let (Some(timeout), Some(deadline)) = (policies.call_timeout, policies.deadline)
        && timeout <= deadline
        && timeout.saturating_mul(most) > deadline
    {
        let (timeout, deadline) = (show(timeout), show(deadline));
        doubts.push(format!(
            "the deadline ({deadline}) is shorter than {most} attempts of {timeout} each: the last is cut short"
        ));
    }
    let learns = policies.bulkhead.as_ref().is_some_and(|bulkhead| bulkhead.adaptive.is_some());
    if learns && policies.order == Order::Seed {
        doubts.push("bulkhead.limit takes retries and their waits for latency: order = \"retry_outside\" shows it each attempt".into());
    }
    doubts
}

/// What is doubtful about those who wait for their turn or for a place.
fn waits(plan: &Plan, policies: &Policies) -> Vec<String> {
    let mut doubts = Vec::new();
    let limiter = policies.rate_limiter.as_ref().map(|limiter| limiter.settings.config().max_wait);
    let bulkhead = policies.bulkhead.as_ref().map(|bulkhead| bulkhead.settings.config().max_wait);
    for (name, wait) in [("rate_limiter", limiter), ("bulkhead", bulkhead)] {
        if let (Some(wait), Some(deadline)) = (wait, policies.deadline)
            && wait > deadline
        {
            let (wait, deadline) = (show(wait), show(deadline));
            doubts.push(format!(
                "{name}.max_wait ({wait}) is longer than the deadline ({deadline}), which ends the wait"
            ));
        }
    }
    let Some(bulkhead) = &policies.bulkhead else { return doubts };
    let config = bulkhead.settings.config();
    let (places, queue, wait) = (config.max_concurrent, config.max_queue, config.max_wait);
    if wait.is_zero() && queue > 0 {
        doubts.push(format!("bulkhead.max_queue ({queue}) can never fill: max_wait is 0s, so nobody waits"));
    } else if queue == 0 && !wait.is_zero() {
        doubts.push(format!("bulkhead.max_wait ({}) is never waited: max_queue is 0", show(wait)));
    }
    // A client's connection has one call at a time.
    let most = plan.limits.max_connections as u64;
    if bulkhead.counts == Counts::Calls && bulkhead.adaptive.is_none() {
        if places >= most {
            doubts.push(format!(
                "bulkhead.max_concurrent ({places}) holds nobody back: limits.max_connections lets {most} clients in"
            ));
        } else if queue > 0 && !wait.is_zero() && places + u64::from(queue) > most {
            doubts.push(format!(
                "bulkhead.max_queue ({queue}) can never fill: beside {places} places there are at most {} more clients (limits.max_connections is {most})",
                most - places
            ));
        }
    }
    doubts
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
