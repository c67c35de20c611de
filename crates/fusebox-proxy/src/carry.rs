//! What stays when the configuration changes: the state of every part whose name and kind do.
//!
//! A part that can take new settings takes them where it stands, and calls under way see them too. One that cannot starts
//! anew when its settings change: a throttle, a hedge, an adaptive limit and an adaptive timeout have learned their numbers
//! under the old ones. What nobody has changed is the very same part.

use crate::config::{Endpoint, Policies, Service};
use crate::lane::Route;
use fusebox::{CircuitBreaker, Ratio, Time};
use fusebox_core::balancer::{Balancer, Spec};
use fusebox_core::bulkhead::Bulkhead;
use fusebox_core::limiter::RateLimiter;
use fusebox_core::pipeline::Config;
use fusebox_core::scope::Scopes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The routes that were in force before, by what is looked for.
pub(crate) struct Before<'a> {
    routes: &'a [Arc<Route>],
    /// By the circuit's base name and the endpoint's authority.
    circuits: HashMap<(&'a str, &'a str), &'a CircuitBreaker>,
}

impl<'a> Before<'a> {
    pub(crate) fn of(routes: &'a [Arc<Route>]) -> Self {
        let circuits = routes.iter().flat_map(|route| {
            let base = route.policies.circuit.as_str();
            let of = move |at: &'a crate::lane::Target| (base, at.endpoint.authority.as_str());
            route.endpoints.iter().map(of).zip(route.circuits())
        });
        Before { routes, circuits: circuits.collect() }
    }

    /// The route with this name.
    pub(crate) fn route(&self, name: &str) -> Option<&'a Arc<Route>> {
        self.routes.iter().find(|route| *route.name == *name)
    }

    /// Has `circuit`, which is new, go on where the circuit of the same endpoint stood. A circuit is named after its service
    /// where that has one endpoint, and after the endpoint too where there are more.
    pub(crate) fn go_on(&self, circuit: &CircuitBreaker, base: &str, endpoint: &Endpoint) {
        if let Some(before) = self.circuits.get(&(base, endpoint.authority.as_str()))
            && before.name() != circuit.name()
        {
            circuit.restore(before.save(), Duration::ZERO, Duration::MAX);
            if let Some(hold) = before.snapshot().hold {
                circuit.core().hold((*hold).clone(), circuit.clock().now());
            }
        }
    }
}

/// The stages that `policies` make before the endpoints of `service`, with what stays of the route `before`.
pub(crate) fn stages(
    before: Option<&Arc<Route>>,
    service: &Service,
    policies: &Policies,
    now: Time,
) -> Config {
    let fresh = policies.pipeline(&service.endpoints, now);
    let Some(route) = before else { return fresh };
    let (old, kept) = (&route.policies, &route.stages);
    Config {
        rate_limiter: limiter((old, kept), policies, now).or(fresh.rate_limiter),
        throttle: (old.throttle == policies.throttle && !old.shares.throttle)
            .then(|| kept.throttle.clone())
            .flatten()
            .or(fresh.throttle),
        bulkhead: bulkhead((old, kept), policies).or(fresh.bulkhead),
        hedge: (old.hedge == policies.hedge).then(|| kept.hedge.clone()).flatten().or(fresh.hedge),
        adaptive_timeout: (old.adaptive_timeout == policies.adaptive_timeout)
            .then(|| kept.adaptive_timeout.clone())
            .flatten()
            .or(fresh.adaptive_timeout),
        balancer: balancer(route, fresh.balancer, (service, policies), now),
        scopes: scopes(route, fresh.scopes, (service, policies)),
        ..fresh
    }
}

fn limiter((old, kept): (&Policies, &Config), new: &Policies, now: Time) -> Option<Arc<RateLimiter>> {
    let (plan, before) = (new.rate_limiter.as_ref()?, old.rate_limiter.as_ref()?);
    let limiter = kept.rate_limiter.clone().filter(|_| plan.key == before.key && !old.shares.rate_limiter)?;
    limiter.reconfigure(plan.settings, now).ok()?;
    // A queue that filled up has turned it down, and may be there no more. One that is looks every second.
    limiter.set_share(Ratio::ONE, now);
    Some(limiter)
}

fn bulkhead((old, kept): (&Policies, &Config), new: &Policies) -> Option<Arc<Bulkhead>> {
    let (plan, before) = (new.bulkhead.as_ref()?, old.bulkhead.as_ref()?);
    let alike = plan.key == before.key && plan.counts == before.counts && plan.adaptive == before.adaptive;
    let bulkhead = kept.bulkhead.clone().filter(|_| alike && !old.shares.bulkhead)?;
    if plan.settings != before.settings {
        bulkhead.reconfigure(plan.settings.clone());
    }
    Some(bulkhead)
}

fn balancer(
    route: &Route,
    fresh: Option<Arc<Balancer>>,
    (service, policies): (&Service, &Policies),
    now: Time,
) -> Option<Arc<Balancer>> {
    let (fresh, kept) = (fresh?, route.stages.balancer.clone());
    let Some(kept) = kept else { return Some(fresh) };
    if policies.balancer == route.policies.balancer && are(route, &service.endpoints) {
        return Some(kept);
    }
    let specs: Vec<Spec> = service.endpoints.iter().map(Endpoint::spec).collect();
    Some(Arc::new(kept.with_settings(policies.balancer.clone(), &specs, now)))
}

fn scopes(
    route: &Route,
    fresh: Option<Arc<Scopes>>,
    (service, policies): (&Service, &Policies),
) -> Option<Arc<Scopes>> {
    let (fresh, kept) = (fresh?, route.stages.scopes.clone());
    let (Some(kept), Some(plan)) = (kept, &policies.scopes) else { return Some(fresh) };
    if kept.settings() == &plan.settings && are(route, &service.endpoints) {
        return Some(kept);
    }
    let was =
        |at: &Endpoint| route.endpoints.iter().position(|target| target.endpoint.authority == at.authority);
    let scopes = kept.with_endpoints(service.endpoints.iter().map(was));
    Some(Arc::new(scopes.with_settings(plan.settings.clone())))
}

/// Whether the route stands before exactly these.
fn are(route: &Route, endpoints: &[Endpoint]) -> bool {
    route.endpoints.iter().map(|target| &target.endpoint).eq(endpoints)
}
