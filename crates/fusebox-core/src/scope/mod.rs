//! Scopes: one service's circuits, of its endpoints, its tenants and itself; a failure counts in the smallest that explains it.
//!
//! # Design
//!
//! An endpoint that fails must not stop its service, a tenant whose data is bad must not stop an endpoint, and when the
//! whole service fails no call should have to find that out endpoint by endpoint. One circuit cannot do all three. So
//! a call is admitted by three, the widest first, and when it has failed each is told only what is its own: the failure
//! goes to one of them, by a comparison with the *other* endpoints and the *other* tenants (the table is in `blame.rs`),
//! and the two others hear that the call says nothing. A success is told to all.
//!
//! So the circuits keep their own exact rules, and nothing here trips anything. What is kept besides is one word for each
//! endpoint and tenant, of how it has done of late.
//!
//! A probe is an exception: a half-open circuit that asks whether it may close gets the probe's own answer, whoever is to
//! blame.
//!
//! ```
//! use fusebox_core::breaker;
//! use fusebox_core::scope::{Config, Scope, Scopes};
//! use fusebox_core::{Failure, Outcome, Rng, Time};
//!
//! let circuit = breaker::Config::default().check(None).expect("the default works");
//! let settings = Config::over(circuit).check().expect("the default works");
//! let scopes = Scopes::new(settings, 3, Rng::seeded(1), Time::ZERO);
//! for call in 0..30 {
//!     let endpoint = call % 3;
//!     let Ok(pass) = scopes.admit(endpoint, 0, Time::ZERO) else { continue };
//!     let broken = endpoint == 1;
//!     let outcome = if broken { Outcome::Failure(Failure::Error) } else { Outcome::Success };
//!     scopes.settle(pass, outcome, Time::ZERO);
//! }
//! assert!(scopes.admit(1, 0, Time::ZERO).is_err(), "this endpoint's circuit is open");
//! assert!(scopes.admit(2, 0, Time::ZERO).is_ok(), "the others and the service go on");
//! ```

mod blame;
mod config;
mod health;
mod pass;
mod tenants;

pub use config::{Config, Settings};
pub use pass::Pass;

use crate::breaker::{CircuitBreaker, Snapshot as CircuitSnapshot};
use crate::sync::{AtomicU64, Relaxed};
use crate::{Rng, SharedRng, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;
use blame::{GROUPS, Scene};
use health::Health;
use tenants::Tenants;

/// A scope, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Scope {
    /// One endpoint.
    Endpoint = 0,
    /// One tenant, shard or other key.
    Tenant = 1,
    /// The whole service.
    Service = 2,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Scope; 3] = [Scope::Endpoint, Scope::Tenant, Scope::Service];

    /// The scope as it stands in labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Endpoint => "endpoint",
            Scope::Tenant => "tenant",
            Scope::Service => "service",
        }
    }
}

/// A circuit and how its calls have gone of late.
#[derive(Debug)]
struct Member {
    circuit: CircuitBreaker,
    health: Health,
}

/// What does not change when endpoints come and go.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    rng: SharedRng,
    tenants: Option<Tenants>,
    groups: [Health; GROUPS],
    service: CircuitBreaker,
    /// Failures by whose they were, indexed as [`Scope::ALL`].
    blamed: [AtomicU64; 3],
}

/// One service's circuits. Shared by reference; see the [module](self) for the design.
#[derive(Debug)]
pub struct Scopes {
    shared: Arc<Shared>,
    endpoints: Vec<Arc<Member>>,
}

impl Scopes {
    /// The closed circuits of a service with so many endpoints.
    pub fn new(settings: Settings, endpoints: usize, mut rng: Rng, now: Time) -> Self {
        let config = &settings.config;
        let member = |circuit: &Arc<_>, rng: Rng| Member::of(circuit, rng, now);
        let tenants = config.tenant.as_ref();
        let tenants = tenants.map(|circuit| Tenants::new(config.max_tenants, member(circuit, rng.fork())));
        let endpoints = (0..endpoints).map(|_| Arc::new(member(&config.endpoint, rng.fork()))).collect();
        let service = CircuitBreaker::new(config.service.clone(), rng.fork(), now);
        let (rng, groups, blamed) = (SharedRng::new(rng), Default::default(), Default::default());
        Scopes { shared: Arc::new(Shared { settings, rng, tenants, groups, service, blamed }), endpoints }
    }

    /// The same service with other endpoints: each is one of the present ones, by its index, or new. Those that stay, the
    /// tenants and the service keep their circuits. A call admitted before is settled where it was admitted.
    pub fn with_endpoints(&self, endpoints: &[Option<usize>], now: Time) -> Scopes {
        let new = || {
            let circuit = &self.shared.settings.config.endpoint;
            Arc::new(Member::of(circuit, self.shared.rng.fork(), now))
        };
        let stays = |endpoint: &Option<usize>| endpoint.and_then(|i| self.endpoints.get(i).cloned());
        let endpoints = endpoints.iter().map(|endpoint| stays(endpoint).unwrap_or_else(new)).collect();
        Scopes { shared: self.shared.clone(), endpoints }
    }

    /// How many endpoints there are.
    pub fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    /// An endpoint's circuit.
    ///
    /// # Panics
    ///
    /// If there is no such endpoint.
    pub fn endpoint(&self, endpoint: usize) -> &CircuitBreaker {
        &self.endpoints[endpoint].circuit
    }

    /// The service's circuit.
    pub fn service(&self) -> &CircuitBreaker {
        &self.shared.service
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Lets everything happen that is due by `now`, in every circuit.
    pub fn tick(&self, now: Time) {
        self.each(|circuit| circuit.tick(now));
    }

    /// When [`tick`](Self::tick) has something to do next; [`Time::NEVER`] if only a call can change anything.
    pub fn next_due(&self) -> Time {
        let mut due = Time::NEVER;
        self.each(|circuit| due = due.min(circuit.next_due()));
        due
    }

    fn each(&self, mut visit: impl FnMut(&CircuitBreaker)) {
        visit(&self.shared.service);
        self.endpoints.iter().for_each(|endpoint| visit(&endpoint.circuit));
        for (_, tenant) in self.shared.tenants.iter().flat_map(Tenants::all) {
            visit(&tenant.circuit);
        }
    }

    /// All circuits at `now`.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let shared = &*self.shared;
        let tenants = shared.tenants.iter().flat_map(Tenants::all);
        Snapshot {
            service: shared.service.snapshot(now),
            endpoints: self.endpoints.iter().map(|endpoint| endpoint.circuit.snapshot(now)).collect(),
            tenants: tenants.map(|(key, tenant)| (key, tenant.circuit.snapshot(now))).collect(),
            blamed: core::array::from_fn(|scope| shared.blamed[scope].load(Relaxed)),
            turned_away: shared.tenants.as_ref().map_or(0, Tenants::turned_away),
        }
    }

    /// Counts a call's result for those it was about, and answers whose failure it is, if it is one.
    fn note(&self, at: &At<'_>, failed: bool, now: Time) -> Scope {
        let shared = &*self.shared;
        let memory = shared.settings.config.memory.as_secs();
        at.member.health.note(failed, now, memory);
        if shared.tenants.is_some() {
            shared.groups[blame::group(at.key)].note(failed, now, memory);
        }
        if let Some(tenant) = at.tenant {
            tenant.health.note(failed, now, memory);
        }
        if !failed {
            return Scope::Endpoint;
        }
        let (settings, groups) = (&shared.settings, &shared.groups);
        let scene = Scene { settings, endpoints: &self.endpoints, groups, memory, now };
        let blamed = scene.blame(at.member, at.tenant.map(|tenant| (tenant, at.key)));
        shared.blamed[blamed as usize].fetch_add(1, Relaxed);
        blamed
    }
}

/// Whom a call was about.
struct At<'a> {
    member: &'a Arc<Member>,
    tenant: Option<&'a Member>,
    key: u64,
}

impl Member {
    fn of(settings: &Arc<crate::breaker::Settings>, rng: Rng, now: Time) -> Self {
        Member { circuit: CircuitBreaker::new(settings.clone(), rng, now), health: Health::default() }
    }
}

/// A service's circuits at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The service's circuit.
    pub service: CircuitSnapshot,
    /// The endpoints' circuits.
    pub endpoints: Vec<CircuitSnapshot>,
    /// The tenants' circuits by key; key 0 is the one that newcomers share when there are too many.
    pub tenants: Vec<(u64, CircuitSnapshot)>,
    /// Failed and slow calls by whose they were, indexed as [`Scope::ALL`], since the start.
    pub blamed: [u64; 3],
    /// Calls whose tenant had to share the circuit of newcomers.
    pub turned_away: u64,
}

impl Snapshot {
    /// Failed and slow calls that were this scope's.
    pub fn blamed(&self, scope: Scope) -> u64 {
        self.blamed[scope as usize]
    }
}
