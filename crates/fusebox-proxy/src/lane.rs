//! Lanes: a route with everything a call on it needs, ready made.

use crate::asks::Asks;
use crate::config::{Endpoint, Fallback, Key, Match, Plan, Policies, Service};
use fusebox::breaker::{Preset, Settings};
use fusebox::pipeline::{self, Pipeline};
use fusebox::{CircuitBreaker, Registry};
use fusebox_core::breaker;
use fusebox_core::flow::Circuits;
use http::{HeaderMap, HeaderValue, Uri};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// Longer keys share their circuit with all that begin alike: circuit names are kept and shown.
const LONGEST_KEY: usize = 96;
/// Stands for the key of a call that carries none.
const NO_KEY: &str = "none";

/// A route, shared by all workers.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) matches: Match,
    pub(crate) service: Arc<str>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) fallback: Option<Fallback>,
    /// What is asked of a call on behalf of the policies that admit it.
    pub(crate) asks: Asks,
    /// Whether 429 says nothing against the dependency.
    pub(crate) lenient: bool,
    pub(crate) endpoints: Vec<Target>,
    key: Option<Key>,
    circuits: Vec<CircuitBreaker>,
    /// Where the circuits of each endpoint's keys are.
    keyed: Vec<Registry>,
}

/// An endpoint, as calls need it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// Which of the plan's distinct authorities it is: connections are shared by authority.
    pub(crate) pool: usize,
    /// The `Host` for clients that sent none.
    pub(crate) authority: HeaderValue,
    /// The circuit's name, without a key.
    circuit: String,
    /// The circuit's settings: another region has more time.
    settings: Arc<Settings>,
}

/// The circuits before a call's endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Fuses(Rc<[CircuitBreaker]>);

impl Fuses {
    pub(crate) fn before(&self, endpoint: usize) -> &CircuitBreaker {
        &self.0[endpoint]
    }
}

impl Circuits for Fuses {
    fn circuit(&self, endpoint: usize) -> &breaker::CircuitBreaker {
        self.0[endpoint].core()
    }
}

/// Everything the plan protects, most specific route first.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<Arc<Route>>,
    /// Distinct authorities.
    pub(crate) pools: usize,
}

impl Routes {
    /// Makes the routes of `plan` and their circuits.
    pub(crate) fn new(plan: &Plan, registry: &Registry) -> Self {
        let mut authorities: Vec<String> = Vec::new();
        let mut routes = Vec::new();
        for service in &plan.services {
            let pipelines = service.pipelines(registry.clock().now());
            for (route, stages) in service.routes.iter().zip(pipelines) {
                let targets = service.endpoints.iter().map(|endpoint| {
                    let known = authorities.iter().position(|known| *known == endpoint.authority);
                    let pool = known.unwrap_or_else(|| {
                        authorities.push(endpoint.authority.clone());
                        authorities.len() - 1
                    });
                    Target::new(service, &route.policies, endpoint, pool)
                });
                let targets = targets.collect();
                routes.push(Arc::new(Route::new(
                    service,
                    &route.matches,
                    &route.policies,
                    targets,
                    stages,
                    registry,
                )));
            }
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.matches.specificity()));
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

impl Target {
    fn new(service: &Service, policies: &Policies, endpoint: &Endpoint, pool: usize) -> Self {
        let authority =
            HeaderValue::from_str(&endpoint.authority).unwrap_or(HeaderValue::from_static("localhost"));
        let circuit = policies.circuit_name(service, endpoint);
        let settings = policies.breaker_for(endpoint);
        Target { endpoint: endpoint.clone(), pool, authority, circuit, settings }
    }

    /// The URI to ask this endpoint for.
    pub(crate) fn uri(&self, asked: &Uri) -> Option<Uri> {
        let plain = asked.scheme().is_none() && asked.authority().is_none();
        if plain && self.endpoint.base_path.is_empty() {
            return Some(asked.clone());
        }
        let path = asked.path_and_query().map_or("/", |path| path.as_str());
        Uri::try_from(format!("{}{path}", self.endpoint.base_path)).ok()
    }
}

impl Route {
    fn new(
        service: &Service,
        matches: &Match,
        policies: &Policies,
        endpoints: Vec<Target>,
        stages: pipeline::Config,
        registry: &Registry,
    ) -> Self {
        let part = |at: &Target| registry.part(&format!("{}[other]", at.circuit), policies.max_circuits);
        let keyed = policies.breaker_key.iter().flat_map(|_| endpoints.iter().map(part)).collect();
        let name: Arc<str> = service.name.as_str().into();
        let circuits = match policies.breaker_key {
            Some(_) => Vec::new(),
            None => {
                endpoints.iter().map(|at| registry.circuit_of(&at.circuit, &name, &at.settings)).collect()
            }
        };
        Route {
            matches: matches.clone(),
            service: name,
            pipeline: Arc::new(Pipeline::new(stages)),
            asks: Asks::of(policies),
            fallback: policies.fallback.clone(),
            lenient: policies.preset == Preset::Seed,
            endpoints,
            key: policies.breaker_key.clone(),
            circuits,
            keyed,
        }
    }
}

/// A worker's own view of a route.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) route: Arc<Route>,
    fixed: Option<Fuses>,
}

impl Lane {
    pub(crate) fn new(route: &Arc<Route>) -> Self {
        let fixed = route.key.is_none().then(|| Fuses(route.circuits.clone().into()));
        Lane { route: route.clone(), fixed }
    }

    /// The circuits before a call with these headers.
    pub(crate) fn fuses(&self, headers: &HeaderMap) -> Fuses {
        match (&self.fixed, &self.route.key) {
            (Some(fuses), _) => fuses.clone(),
            (None, Some(Key::Header(name))) => self.keyed(headers.get(name)),
            (None, None) => Fuses(self.route.circuits.clone().into()),
        }
    }

    fn keyed(&self, value: Option<&HeaderValue>) -> Fuses {
        let key = value.map_or(Cow::Borrowed(NO_KEY), |value| String::from_utf8_lossy(value.as_bytes()));
        let mut end = key.len().min(LONGEST_KEY);
        while !key.is_char_boundary(end) {
            end -= 1;
        }
        let (key, route) = (&key[..end], &self.route);
        let circuit = |(at, part): (&Target, &Registry)| {
            part.circuit_of(&format!("{}[{key}]", at.circuit), &route.service, &at.settings)
        };
        Fuses(route.endpoints.iter().zip(&route.keyed).map(circuit).collect())
    }
}
