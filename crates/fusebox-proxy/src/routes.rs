//! Everything the plan protects, made ready once for all workers.

use crate::backing::{self, Backing};
use crate::berth::Berths;
use crate::config::{ConnectionLimit, Endpoint, Plan};
use crate::health::Ward;
use crate::kept::Larder;
use crate::lane::{Route, Target};
use fusebox::Clock;
use fusebox::telemetry::{Connections, Subjects};
use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::sync::Arc;
use tokio::sync::watch;

/// The routes, most specific first.
pub(crate) struct Routes {
    pub(crate) routes: Vec<Arc<Route>>,
    /// How many connections each pool's endpoint may have.
    pub(crate) berths: Vec<Option<Arc<Berths>>>,
    /// Rung when a call begins to wait for a connection.
    pub(crate) bell: watch::Sender<()>,
    /// The services whose endpoints are asked whether they are well.
    pub(crate) wards: Vec<Ward>,
    limited: Vec<Connections>,
}

/// The pools that workers keep connections in: one for each authority, and for each limit on it.
struct Pools<'a> {
    known: Vec<(&'a str, Option<ConnectionLimit>)>,
    berths: Vec<Option<Arc<Berths>>>,
    limited: Vec<Connections>,
    bell: watch::Sender<()>,
    clock: &'a Clock,
}

impl<'a> Pools<'a> {
    /// The number of the pool for connections to `endpoint` of `service`.
    fn of(&mut self, service: &str, endpoint: &'a Endpoint, limit: Option<ConnectionLimit>) -> usize {
        let wanted = (&*endpoint.authority, limit);
        if let Some(known) = self.known.iter().position(|known| *known == wanted) {
            return known;
        }
        let berths = limit.map(|limit| Arc::new(Berths::new(&limit, self.clock, &self.bell)));
        let limited =
            |berths: &Arc<Berths>| (service.to_owned(), endpoint.authority.clone(), berths.places().clone());
        self.limited.extend(berths.as_ref().map(limited));
        self.known.push(wanted);
        self.berths.push(berths);
        self.known.len() - 1
    }
}

impl Routes {
    /// Makes the routes of `plan` and their circuits.
    pub(crate) fn new(plan: &Plan, backing: &Backing<'_>) -> Self {
        let (hash, clock) = (RandomState::new(), backing.clock());
        let mut pools = Pools {
            known: Vec::new(),
            berths: Vec::new(),
            limited: Vec::new(),
            bell: watch::channel(()).0,
            clock,
        };
        let (mut routes, mut wards) = (Vec::new(), Vec::new());
        for service in &plan.services {
            let pipelines = service.pipelines(clock.now());
            // All routes of a service have one balancer.
            let balancer = pipelines.iter().find_map(|stages| stages.balancer.clone());
            let check = service.own_route().and_then(|own| own.policies.health.clone());
            wards.extend(check.zip(balancer).map(|(check, balancer)| Ward {
                service: service.name.clone(),
                endpoints: service.endpoints.clone(),
                check,
                balancer,
            }));
            for (route, pipeline) in service.routes.iter().zip(pipelines) {
                let targets = service.endpoints.iter().map(|endpoint| {
                    let pool = pools.of(&service.name, endpoint, route.policies.max_connections);
                    Target::new(service, &route.policies, endpoint, pool)
                });
                let targets = targets.collect();
                routes.push(Arc::new(Route::new((service, route), targets, pipeline, backing, &hash)));
            }
        }
        routes.sort_by_key(|route| Reverse(route.matches.specificity()));
        Routes { routes, berths: pools.berths, bell: pools.bell, wards, limited: pools.limited }
    }

    /// What they count, by service.
    pub(crate) fn subjects(&self) -> Subjects {
        let mut subjects = Subjects { connections: self.limited.clone(), ..Subjects::default() };
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
