//! Everything the plan protects, made ready once for all workers.

use crate::config::Plan;
use crate::lane::{Route, Target};
use fusebox::Registry;
use fusebox::pipeline::Pipeline;
use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::sync::Arc;

/// The routes, most specific first.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<Arc<Route>>,
    /// Distinct authorities.
    pub(crate) pools: usize,
}

impl Routes {
    /// Makes the routes of `plan` and their circuits.
    pub(crate) fn new(plan: &Plan, registry: &Registry) -> Self {
        let hash = RandomState::new();
        let mut authorities: Vec<&str> = Vec::new();
        let mut routes = Vec::new();
        for service in &plan.services {
            for (route, pipeline) in service.routes.iter().zip(service.pipelines(registry.clock().now())) {
                let targets = service.endpoints.iter().map(|endpoint| {
                    let known = authorities.iter().position(|known| *known == endpoint.authority);
                    let pool = known.unwrap_or_else(|| {
                        authorities.push(&endpoint.authority);
                        authorities.len() - 1
                    });
                    Target::new(service, &route.policies, endpoint, pool)
                });
                let targets = targets.collect();
                routes.push(Arc::new(Route::new((service, route), targets, pipeline, registry, &hash)));
            }
        }
        routes.sort_by_key(|route| Reverse(route.matches.specificity()));
        Routes { routes, pools: authorities.len() }
    }

    /// The pipelines, by service.
    pub(crate) fn pipelines(&self) -> Vec<(String, Arc<Pipeline>)> {
        self.routes.iter().map(|route| (route.service.to_string(), route.pipeline.clone())).collect()
    }

    /// How many circuits the plan can come to.
    pub(crate) fn most_circuits(plan: &Plan) -> usize {
        let routes = plan.services.iter().flat_map(|service| {
            service.routes.iter().map(|route| match route.policies.breaker_key {
                // Each endpoint's keys are in a part of their own.
                Some(_) => 0,
                None => service.endpoints.len(),
            })
        });
        routes.sum()
    }
}
