//! What stands before a route's calls, checked.

use super::breaker::MAX_CIRCUITS;
use super::plan::{Endpoint, Key, Service};
use super::spare::Fallback;
use fusebox_core::balancer::{self, Balancer, Spec};
use fusebox_core::breaker::{self, Preset};
use fusebox_core::bulkhead::{self, Bulkhead};
use fusebox_core::hedge::{self, Hedge};
use fusebox_core::limiter::{self, RateLimiter};
use fusebox_core::pipeline::{self, Order};
use fusebox_core::scope::{self, Scopes};
use fusebox_core::throttle::{self, Throttle};
use fusebox_core::timeout::{self, Timeout};
use fusebox_core::{Priority, Time, adaptive, retry};
use http::HeaderName;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The time of one attempt when nothing else is said.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The header that makes any call safe to repeat when nothing else is said.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Bytes of a request's body that are kept for a further attempt when nothing else is said.
pub(super) const MAX_REPLAY_BYTES: usize = 64 << 10;

/// What stands before a route's calls.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Which policy stands outside which.
    pub order: Order,
    /// How many calls may begin in a time.
    pub rate_limiter: Option<Limiter>,
    /// How an endpoint is chosen.
    pub balancer: balancer::Settings,
    /// The time of the whole call.
    pub deadline: Option<Duration>,
    /// Sends less to a dependency that refuses much.
    pub throttle: Option<throttle::Settings>,
    /// How many calls may be under way at once.
    pub bulkhead: Option<BulkheadPlan>,
    /// The circuit's base name: the route's own if it writes a breaker, else its service's. Routes with the same
    /// name share their circuits.
    pub circuit: String,
    /// The circuit's settings, for an endpoint of our own region.
    pub breaker: Arc<breaker::Settings>,
    /// The circuit's settings, for an endpoint of another region.
    pub breaker_elsewhere: Arc<breaker::Settings>,
    /// The preset the settings started from.
    pub preset: Preset,
    /// What a call must carry to have a circuit of its own.
    pub breaker_key: Option<Key>,
    /// Most circuits by key; later keys share one.
    pub max_circuits: usize,
    /// Further attempts.
    pub retry: Option<retry::Settings>,
    /// Bytes of a request's body that are kept for a further attempt; a call with a longer body has one.
    pub max_replay_bytes: usize,
    /// The header that makes any call safe to repeat.
    pub idempotency_key: HeaderName,
    /// A second attempt beside a slow one.
    pub hedge: Option<hedge::Settings>,
    /// Connections, as places.
    pub max_connections: Option<ConnectionLimit>,
    /// The time of one attempt; with an adaptive one the longest it may come to.
    pub call_timeout: Option<Duration>,
    /// The time of one attempt, worked out from the latest ones.
    pub adaptive_timeout: Option<timeout::Settings>,
    /// Where a call's priority stands.
    pub priority: Option<PriorityRule>,
    /// What answers instead of a rejection or a failure.
    pub fallback: Option<Fallback>,
    /// How endpoints are asked whether they are well.
    pub health: Option<HealthCheck>,
    /// Circuits of the whole service and of tenants before those of endpoints.
    pub scopes: Option<ScopesPlan>,
    /// What it shares with its service, because it does not write its own.
    pub shares: Shares,
}

/// The parts with a state of their own that a route has from its service: one quota, one set of places, one throttle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// One quota.
    pub rate_limiter: bool,
    /// One throttle.
    pub throttle: bool,
    /// One set of places.
    pub bulkhead: bool,
}

/// A quota, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limiter {
    /// The quota.
    pub settings: limiter::Settings,
    /// Who has one each; without it all calls share one.
    pub key: Option<Key>,
}

/// Places for calls under way.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkheadPlan {
    /// How many, and who may wait for one.
    pub settings: bulkhead::Settings,
    /// What moves their number.
    pub adaptive: Option<adaptive::Settings>,
    /// What a place is.
    pub counts: Counts,
    /// Whom `max_per_key` holds for.
    pub key: Option<Key>,
}

/// What takes a bulkhead's capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// Each call one.
    #[default]
    Calls,
    /// Each call as many as its body has bytes, and one at the least.
    Bytes,
}

impl Counts {
    /// What may be counted, with the names in the file.
    pub const ALL: [(&'static str, Counts); 2] = [("calls", Counts::Calls), ("bytes", Counts::Bytes)];
}

/// Where a call's priority stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityRule {
    /// The request header with the priority's name.
    pub header: HeaderName,
    /// The priority of a call that has none, or one that nobody knows.
    pub default: Priority,
}

/// Circuits of the whole service and of tenants before those of endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopesPlan {
    /// How far a failure has to spread to be a wider scope's.
    pub settings: scope::Settings,
    /// Where a call's tenant stands; without it there are none.
    pub tenant: Option<Key>,
    /// Most tenants with a circuit of their own; later ones share one.
    pub max_tenants: usize,
}

/// How endpoints are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, below the endpoint's own path.
    pub path: String,
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row that make an endpoint healthy.
    pub healthy_after: u32,
    /// Bad answers in a row that make it unhealthy.
    pub unhealthy_after: u32,
    /// The statuses of a good answer.
    pub expect: RangeInclusive<u16>,
}

/// Connections to each endpoint, and who may wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// Connections at once to one endpoint, for all workers together.
    pub per_endpoint: u64,
    /// The longest that a call waits for one.
    pub max_wait: Duration,
    /// Calls that wait at once.
    pub max_queue: u32,
}

impl Policies {
    /// The policies of a service of this name that says nothing about them.
    pub(super) fn usual(name: &str, breaker: Arc<breaker::Settings>) -> Policies {
        Policies {
            order: Order::default(),
            rate_limiter: None,
            balancer: balancer::Settings::default(),
            deadline: None,
            throttle: None,
            bulkhead: None,
            circuit: name.into(),
            breaker: breaker.clone(),
            breaker_elsewhere: breaker,
            preset: Preset::Default,
            breaker_key: None,
            max_circuits: MAX_CIRCUITS,
            retry: Some(retry::Settings::default()),
            max_replay_bytes: MAX_REPLAY_BYTES,
            idempotency_key: IDEMPOTENCY_KEY,
            hedge: None,
            max_connections: None,
            call_timeout: Some(CALL_TIMEOUT),
            adaptive_timeout: None,
            priority: None,
            fallback: None,
            health: None,
            scopes: None,
            shares: Shares::default(),
        }
    }

    /// The name of the circuit before `endpoint` of `service`, without a key.
    pub fn circuit_name(&self, service: &Service, endpoint: &Endpoint) -> String {
        match service.endpoints.as_slice() {
            [_] => self.circuit.clone(),
            _ => format!("{}/{}", self.circuit, endpoint.authority),
        }
    }

    /// The settings of the circuit before `endpoint`: calls to another region have more time before they are slow.
    pub fn breaker_for(&self, endpoint: &Endpoint) -> Arc<breaker::Settings> {
        let settings = if self.is_elsewhere(endpoint) { &self.breaker_elsewhere } else { &self.breaker };
        settings.clone()
    }

    /// Whether `endpoint` is in another region than we are.
    pub fn is_elsewhere(&self, endpoint: &Endpoint) -> bool {
        let ours = self.balancer.config().region.as_deref();
        ours.is_some() && endpoint.region.as_deref().is_some_and(|region| Some(region) != ours)
    }

    /// The stages these policies make before these endpoints, each part new.
    pub fn pipeline(&self, endpoints: &[Endpoint], now: Time) -> pipeline::Config {
        let specs: Vec<_> = endpoints.iter().map(Endpoint::spec).collect();
        let balancer = || Arc::new(Balancer::new(self.balancer.clone(), &specs, now));
        let bulkhead = |plan: &BulkheadPlan| match plan.adaptive {
            Some(limit) => Arc::new(Bulkhead::adaptive(plan.settings.clone(), limit, now)),
            None => Arc::new(Bulkhead::new(plan.settings.clone())),
        };
        pipeline::Config {
            without_breaker: false,
            order: self.order,
            rate_limiter: self.rate_limiter.as_ref().map(|plan| Arc::new(RateLimiter::new(plan.settings))),
            scopes: self
                .scopes
                .as_ref()
                .map(|plan| Arc::new(Scopes::new(plan.settings.clone(), specs.len()))),
            balancer: (specs.len() > 1 || self.health.is_some()).then(balancer),
            deadline: self.deadline,
            throttle: self.throttle.map(|settings| Arc::new(Throttle::new(settings))),
            bulkhead: self.bulkhead.as_ref().map(bulkhead),
            retry: self.retry.clone(),
            hedge: self.hedge.map(|settings| Arc::new(Hedge::new(settings))),
            pool: None,
            timeout: self.call_timeout,
            adaptive_timeout: self.adaptive_timeout.map(|settings| Arc::new(Timeout::new(settings))),
            fallback: self.fallback.as_ref().map(|fallback| fallback.on),
        }
    }

    /// What tells callers apart for a quota, for places and for a breaker that is enforced for a share of them.
    pub fn caller_key(&self) -> Option<&Key> {
        let limiter = self.rate_limiter.as_ref().and_then(|limiter| limiter.key.as_ref());
        let bulkhead = self.bulkhead.as_ref().and_then(|bulkhead| bulkhead.key.as_ref());
        limiter.or(bulkhead).or(self.breaker_key.as_ref())
    }
}

impl Service {
    /// The stages of each of its routes, in their order, as `make` makes them. Routes share what they have from their service:
    /// one balancer, and the quota, throttle and places that they do not write.
    pub fn pipelines_by(
        &self,
        make: impl Fn(&super::plan::Route) -> pipeline::Config,
    ) -> Vec<pipeline::Config> {
        let own = self.own_route().map(&make);
        let shared = |route: &super::plan::Route| {
            let fresh = make(route);
            let Some(own) = own.clone() else { return fresh };
            let shares = route.policies.shares;
            pipeline::Config {
                balancer: own.balancer,
                scopes: own.scopes,
                rate_limiter: if shares.rate_limiter { own.rate_limiter } else { fresh.rate_limiter },
                throttle: if shares.throttle { own.throttle } else { fresh.throttle },
                bulkhead: if shares.bulkhead { own.bulkhead } else { fresh.bulkhead },
                ..fresh
            }
        };
        let of = |route: &super::plan::Route| match &own {
            Some(own) if route.name == self.name => own.clone(),
            _ => shared(route),
        };
        self.routes.iter().map(of).collect()
    }
}

impl Endpoint {
    /// The endpoint as a balancer knows it.
    pub fn spec(&self) -> Spec {
        Spec {
            weight: self.weight,
            region: self.region.as_deref().map(Into::into),
            zone: self.zone.as_deref().map(Into::into),
            ..Spec::named(&self.authority)
        }
    }
}
