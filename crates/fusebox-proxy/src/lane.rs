//! Lanes: a route with everything a call on it needs, ready made.

use crate::backing::Backing;
use crate::carry::Before;
use crate::config::{self, Endpoint, FallbackItem, Key, Match, Policies, Service};
use crate::harbour::PoolId;
use crate::kept::Larder;
use crate::spare::Spare;
use crate::wire::Asking;
use fusebox::breaker::{Preset, Settings};
use fusebox::pipeline::{self, Pipeline};
use fusebox::{CircuitBreaker, Registry, Time};
use fusebox_core::breaker;
use fusebox_core::fallback::Counters;
use fusebox_core::flow::{Circuits, Finish};
use fusebox_core::scope::Scope;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
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
    /// Its name in the plan.
    pub(crate) name: Arc<str>,
    pub(crate) matches: Match,
    pub(crate) service: Arc<str>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// What the pipeline is made of, and what the plan says of it.
    pub(crate) stages: pipeline::Config,
    pub(crate) policies: Policies,
    /// Who answers instead of the dependency, the first one first.
    pub(crate) spares: Vec<Spare>,
    /// What came of asking them.
    pub(crate) fallbacks: Arc<Counters>,
    /// The endpoints of other regions alone, where `spares` asks them.
    elsewhere: Option<Arc<Route>>,
    /// What its calls say of themselves.
    pub(crate) asking: Asking,
    /// Bytes of a request's body that are kept for a further attempt.
    pub(crate) max_replay_bytes: usize,
    /// The header that makes any call safe to repeat.
    pub(crate) idempotency_key: HeaderName,
    /// Whether 429 says nothing against the dependency.
    pub(crate) lenient: bool,
    pub(crate) endpoints: Vec<Target>,
    key: Option<Key>,
    circuits: Vec<CircuitBreaker>,
    /// Where the circuits of each endpoint's keys are.
    keyed: Vec<Registry>,
    /// The circuit of the whole service, where there are scopes.
    whole: Option<CircuitBreaker>,
    tenants: Option<Tenants>,
}

/// Where the circuits of tenants are.
#[derive(Debug)]
struct Tenants {
    key: Key,
    /// The name of each, without the tenant's.
    circuit: String,
    settings: Arc<Settings>,
    circuits: Registry,
}

impl Tenants {
    fn of(policies: &Policies, registry: &Registry) -> Option<Self> {
        let plan = policies.scopes.as_ref()?;
        let (key, circuit) = (plan.tenant.clone()?, policies.circuit.clone());
        let circuits = registry.part(&newcomers(&circuit), plan.max_tenants);
        Some(Tenants { key, circuit, settings: policies.breaker.clone(), circuits })
    }
}

/// An endpoint, as calls need it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// Connections are shared by authority.
    pub(crate) pool: PoolId,
    /// The `Host` for clients that sent none.
    pub(crate) authority: HeaderValue,
    /// The circuit's name, without a key.
    circuit: String,
    /// Its circuits'.
    settings: Arc<Settings>,
}

/// The circuits before a call's endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Fuses {
    shared: Rc<Shared>,
    /// The circuit of the call's tenant, with its key.
    tenant: Option<(u64, CircuitBreaker)>,
}

/// The circuits that a call has with others.
#[derive(Debug)]
struct Shared {
    endpoints: Box<[CircuitBreaker]>,
    service: Option<CircuitBreaker>,
}

impl Fuses {
    /// The circuit that a walk's end is about.
    pub(crate) fn refuser(&self, finish: Finish) -> &CircuitBreaker {
        let wide = match finish.scope {
            Scope::Endpoint => None,
            Scope::Tenant => self.tenant.as_ref().map(|(_, circuit)| circuit),
            Scope::Service => self.shared.service.as_ref(),
        };
        wide.unwrap_or(&self.shared.endpoints[finish.endpoint])
    }

    /// The circuit before an endpoint.
    pub(crate) fn at(&self, endpoint: usize) -> &CircuitBreaker {
        &self.shared.endpoints[endpoint]
    }

    /// Every circuit that an attempt at an endpoint goes through.
    pub(crate) fn through(&self, endpoint: usize) -> impl Iterator<Item = &CircuitBreaker> {
        let tenant = self.tenant.as_ref().map(|(_, circuit)| circuit);
        [Some(self.at(endpoint)), self.shared.service.as_ref(), tenant].into_iter().flatten()
    }
}

impl Circuits for Fuses {
    fn circuit(&self, endpoint: usize) -> &breaker::CircuitBreaker {
        self.shared.endpoints[endpoint].core()
    }

    fn service(&self) -> Option<&breaker::CircuitBreaker> {
        self.shared.service.as_ref().map(CircuitBreaker::core)
    }

    fn tenant(&self) -> Option<(u64, &breaker::CircuitBreaker)> {
        self.tenant.as_ref().map(|(key, circuit)| (*key, circuit.core()))
    }
}

impl Target {
    pub(crate) fn new(service: &Service, policies: &Policies, endpoint: &Endpoint, pool: PoolId) -> Self {
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
    pub(crate) fn new(
        (service, plan): (&Service, &config::Route),
        endpoints: Vec<Target>,
        stages: pipeline::Config,
        backing: &Backing,
        known: &Before<'_>,
    ) -> Self {
        let (policies, clock) = (&plan.policies, backing.clock());
        let fallback = policies.fallback.as_ref();
        let elsewhere = Spare::needs_elsewhere(service, policies).then(|| {
            let (far, stages) = elsewhere(policies, &endpoints, &stages, clock.now());
            Arc::new(Route::of((service, plan), far, stages, backing, known))
        });
        let before = known.route(&plan.name);
        let larder = before.and_then(|before| Some((before.kept_as()?, before.larder()?)));
        let list = |fallback| Spare::list(fallback, backing, &plan.name, larder);
        let spares = fallback.map_or_else(Vec::new, list);
        let fallbacks = before.map(|before| before.fallbacks.clone()).unwrap_or_default();
        Route {
            spares,
            elsewhere,
            fallbacks,
            ..Route::of((service, plan), endpoints, stages, backing, known)
        }
    }

    /// Without fallbacks.
    fn of(
        (service, plan): (&Service, &config::Route),
        endpoints: Vec<Target>,
        stages: pipeline::Config,
        backing: &Backing,
        known: &Before<'_>,
    ) -> Self {
        let (policies, registry) = (&plan.policies, &backing.registry);
        let part = |at: &Target| registry.part(&newcomers(&at.circuit), policies.max_circuits);
        let keyed = policies.breaker_key.iter().flat_map(|_| endpoints.iter().map(part)).collect();
        let name: Arc<str> = service.name.as_str().into();
        let circuit = |at: &Target| {
            let is_new = registry.find(&at.circuit).is_none();
            let circuit = registry.circuit_of(&at.circuit, &name, &at.settings);
            if is_new {
                known.go_on(&circuit, &policies.circuit, &at.endpoint);
            }
            circuit
        };
        let circuits = match policies.breaker_key {
            Some(_) => Vec::new(),
            None => endpoints.iter().map(circuit).collect(),
        };
        // Calls to other regions have been admitted by the wider circuits already.
        let scoped = stages.scopes.is_some();
        let spread = scoped && endpoints.len() > 1;
        let whole = spread.then(|| registry.circuit_of(&policies.circuit, &name, &policies.breaker));
        Route {
            whole,
            tenants: if scoped { Tenants::of(policies, registry) } else { None },
            name: plan.name.as_str().into(),
            matches: plan.matches.clone(),
            pipeline: Arc::new(match known.route(&plan.name) {
                Some(before) => Pipeline::in_place_of(&before.pipeline, stages.clone()),
                None => Pipeline::new(stages.clone()),
            }),
            stages,
            policies: policies.clone(),
            spares: Vec::new(),
            fallbacks: Arc::default(),
            elsewhere: None,
            asking: Asking::of(policies, &backing.hash),
            max_replay_bytes: policies.max_replay_bytes,
            idempotency_key: policies.idempotency_key.clone(),
            lenient: policies.preset == Preset::Seed,
            endpoints,
            key: policies.breaker_key.clone(),
            circuits,
            keyed,
            service: name,
        }
    }

    /// These circuits of endpoints, beside those that all calls share.
    fn shared(&self, endpoints: Vec<CircuitBreaker>) -> Rc<Shared> {
        Rc::new(Shared { endpoints: endpoints.into(), service: self.whole.clone() })
    }

    /// Who may have made a call in its place: the other services of its list by name, and its own endpoints in other regions.
    pub(crate) fn others(&self) -> Vec<(Arc<str>, bool)> {
        let other = |spare: &Spare| match spare {
            Spare::Service(name) => Some((name.clone(), false)),
            Spare::Region => Some((self.name.clone(), true)),
            _ => None,
        };
        self.spares.iter().filter_map(other).collect()
    }

    /// What its larder keeps answers by.
    fn kept_as(&self) -> Option<&FallbackItem> {
        let list = &self.policies.fallback.as_ref()?.list;
        list.iter().find(|item| matches!(item, FallbackItem::Cached { .. }))
    }

    /// Puts its settings into force in its circuits, those of keys and tenants too, where they are not.
    pub(crate) fn reconfigure(&self, now: Time) {
        let put = |circuit: &CircuitBreaker, settings: &Arc<Settings>| {
            if circuit.core().settings() != *settings {
                circuit.core().reconfigure(settings.clone(), now);
            }
        };
        for (circuit, at) in self.circuits.iter().zip(&self.endpoints) {
            put(circuit, &at.settings);
        }
        for (part, at) in self.keyed.iter().zip(&self.endpoints) {
            part.all().iter().for_each(|circuit| put(circuit, &at.settings));
        }
        self.whole.iter().for_each(|circuit| put(circuit, &self.policies.breaker));
        if let Some(tenants) = &self.tenants {
            tenants.circuits.all().iter().for_each(|circuit| put(circuit, &tenants.settings));
        }
    }

    /// The names of its circuits, and of those that newcomers to its parts share.
    pub(crate) fn circuit_names(&self) -> Vec<String> {
        let own = self.circuits.iter().chain(&self.whole).map(|circuit| circuit.name().to_string());
        let keyed = self.keyed.iter().zip(&self.endpoints).map(|(_, at)| newcomers(&at.circuit));
        let tenants = self.tenants.iter().map(|tenants| newcomers(&tenants.circuit));
        let levels = self.larder().map(|larder| larder.circuits()).unwrap_or_default();
        own.chain(keyed).chain(tenants).chain(levels).collect()
    }

    /// The circuits before the endpoints; none where each key has its own.
    pub(crate) fn circuits(&self) -> &[CircuitBreaker] {
        &self.circuits
    }

    /// The circuit of the whole service, where there are scopes.
    pub(crate) fn whole(&self) -> Option<&CircuitBreaker> {
        self.whole.as_ref()
    }

    /// Where good answers are kept.
    pub(crate) fn larder(&self) -> Option<&Arc<Larder>> {
        self.spares.iter().find_map(|spare| match spare {
            Spare::Cached(larder) => Some(larder),
            _ => None,
        })
    }
}

/// The endpoints of other regions, and what stands before them when the call has been admitted already: what is known
/// of them, their circuits, the places, and an attempt's time.
fn elsewhere(
    policies: &Policies,
    endpoints: &[Target],
    stages: &pipeline::Config,
    now: Time,
) -> (Vec<Target>, pipeline::Config) {
    let far: Vec<Target> =
        endpoints.iter().filter(|at| policies.is_elsewhere(&at.endpoint)).cloned().collect();
    let specs: Vec<_> = far.iter().map(|at| at.endpoint.spec()).collect();
    let balancer = stages.balancer.as_ref().map(|balancer| Arc::new(balancer.part(&specs, now)));
    let stages = pipeline::Config {
        order: stages.order,
        balancer,
        bulkhead: stages.bulkhead.clone(),
        timeout: stages.timeout,
        adaptive_timeout: stages.adaptive_timeout.clone(),
        ..pipeline::Config::default()
    };
    (far, stages)
}

/// A worker's own view of a route.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) route: Arc<Route>,
    /// The same to other regions.
    pub(crate) elsewhere: Option<Rc<Lane>>,
    fixed: Option<Rc<Shared>>,
}

impl Lane {
    pub(crate) fn new(route: &Arc<Route>) -> Self {
        let fixed = route.key.is_none().then(|| route.shared(route.circuits.clone()));
        let elsewhere = route.elsewhere.as_ref().map(|route| Rc::new(Lane::new(route)));
        Lane { route: route.clone(), elsewhere, fixed }
    }

    /// The circuits before a call with these headers.
    pub(crate) fn fuses(&self, headers: &HeaderMap) -> Fuses {
        let shared = match (&self.fixed, &self.route.key) {
            (Some(shared), _) => shared.clone(),
            (None, Some(Key::Header(name))) => self.keyed(headers.get(name)),
            (None, None) => self.route.shared(self.route.circuits.clone()),
        };
        Fuses { shared, tenant: self.tenant(headers) }
    }

    fn tenant(&self, headers: &HeaderMap) -> Option<(u64, CircuitBreaker)> {
        let tenants = self.route.tenants.as_ref()?;
        let Key::Header(name) = &tenants.key;
        let value = headers.get(name)?;
        let name = format!("{}[{}]", tenants.circuit, shown(Some(value)));
        let circuit = tenants.circuits.circuit_of(&name, &self.route.service, &tenants.settings);
        Some((self.route.asking.key_of(value), circuit))
    }

    fn keyed(&self, value: Option<&HeaderValue>) -> Rc<Shared> {
        let (key, route) = (shown(value), &self.route);
        let circuit = |(at, part): (&Target, &Registry)| {
            part.circuit_of(&format!("{}[{key}]", at.circuit), &route.service, &at.settings)
        };
        route.shared(route.endpoints.iter().zip(&route.keyed).map(circuit).collect())
    }
}

/// The name of the circuit that newcomers share where each key has one.
fn newcomers(circuit: &str) -> String {
    format!("{circuit}[other]")
}

/// A header's value as it stands in a circuit's name.
fn shown(value: Option<&HeaderValue>) -> String {
    let key = value.map_or(Cow::Borrowed(NO_KEY), |value| String::from_utf8_lossy(value.as_bytes()));
    let mut end = key.len().min(LONGEST_KEY);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    key[..end].to_owned()
}
