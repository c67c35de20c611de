//! Everything the plan protects, made ready once for all workers.

use crate::backing::{self, Backing};
use crate::carry::{self, Before};
use crate::config::Plan;
use crate::harbour::{Harbour, Wanted};
use crate::health::Ward;
use crate::kept::Larder;
use crate::lane::{Route, Target};
use fusebox::Time;
use fusebox::telemetry::Subjects;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

/// The routes, most specific first.
pub(crate) struct Routes {
    pub(crate) routes: Vec<Arc<Route>>,
    /// The pools of connections to their endpoints.
    pub(crate) harbour: Harbour,
    /// The services whose endpoints may be asked whether they are well.
    pub(crate) wards: Arc<[Ward]>,
}

impl Routes {
    /// Makes the routes of `plan` and their circuits, in the place of those `before`: whatever has a state and stays, by its
    /// name and its kind, goes on with the state it has.
    pub(crate) fn in_place_of(before: Option<&Routes>, plan: &Plan, backing: &Backing) -> Self {
        let now = backing.clock().now();
        let known = Before::of(before.map_or(&[], |before| &before.routes));
        let harbour = before.map_or_else(|| Harbour::new(backing.clock()), |before| before.harbour.clone());
        let harbour = arranged(harbour, plan);
        let (mut routes, mut wards) = (Vec::new(), Vec::new());
        for service in &plan.services {
            let pipelines = service
                .pipelines_by(|route| carry::stages(known.route(&route.name), service, &route.policies, now));
            // All routes of a service have one balancer.
            let balancer = pipelines.iter().find_map(|stages| stages.balancer.clone());
            let check = service.own_route().and_then(|own| own.policies.health.clone());
            wards.extend(balancer.map(|balancer| Ward {
                service: service.name.clone(),
                endpoints: service.endpoints.clone(),
                check,
                balancer,
            }));
            for (route, pipeline) in service.routes.iter().zip(pipelines) {
                let limit = route.policies.max_connections;
                let targets = service.endpoints.iter().filter_map(|endpoint| {
                    let pool = harbour.find(&Wanted::new(&service.name, endpoint, limit))?;
                    Some(Target::new(service, &route.policies, endpoint, pool))
                });
                let targets = targets.collect();
                routes.push(Arc::new(Route::new((service, route), targets, pipeline, backing, &known)));
            }
        }
        routes.sort_by_key(|route| Reverse(route.matches.specificity()));
        Routes { routes, harbour, wards: wards.into() }
    }

    /// What they count, by service.
    pub(crate) fn subjects(&self) -> Subjects {
        let mut subjects = Subjects { connections: self.harbour.limited(), ..Subjects::default() };
        for route in &self.routes {
            let service = || route.service.to_string();
            subjects.pipelines.push((service(), route.pipeline.clone()));
            if !route.spares.is_empty() {
                subjects.fallbacks.push((service(), route.fallbacks.clone()));
            }
            if let Some(larder) = route.larder().cloned() {
                subjects.caches.push((service(), Arc::new(move || larder.snapshot())));
            }
        }
        subjects
    }

    /// Where answers are kept.
    pub(crate) fn larders(&self) -> Vec<Arc<Larder>> {
        self.routes.iter().filter_map(|route| route.larder().cloned()).collect()
    }

    /// The names of the circuits that are theirs, and of those that newcomers to their parts share.
    pub(crate) fn circuits(&self) -> HashSet<String> {
        self.routes.iter().flat_map(|route| route.circuit_names()).collect()
    }

    /// How many circuits the plan can come to.
    pub(crate) fn most_circuits(plan: &Plan) -> usize {
        let routes = plan.services.iter().flat_map(|service| {
            service.routes.iter().map(|route| match route.policies.breaker_key {
                // Each endpoint's keys are in a part of their own.
                Some(_) => backing::most_circuits(&route.policies),
                // With the circuit of the whole service.
                None => {
                    service.endpoints.len()
                        + usize::from(route.policies.scopes.is_some())
                        + backing::most_circuits(&route.policies)
                }
            })
        });
        routes.sum()
    }
}

/// With exactly the pools that `plan` needs.
fn arranged(mut harbour: Harbour, plan: &Plan) -> Harbour {
    let wanted = plan.services.iter().flat_map(|service| {
        let limits = service.routes.iter().map(|route| route.policies.max_connections);
        let pool = move |limit| service.endpoints.iter().map(move |at| Wanted::new(&service.name, at, limit));
        limits.flat_map(pool)
    });
    harbour.arrange(&wanted.collect::<Vec<_>>());
    harbour
}

/// Puts new settings into force in circuits that were there before.
pub(crate) fn reconfigured(routes: &Routes, now: Time) {
    routes.routes.iter().for_each(|route| route.reconfigure(now));
}
