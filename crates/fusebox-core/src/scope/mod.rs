//! Scopes: the circuits of a service, of its endpoints and of its tenants; a failure counts in the smallest that explains it.
//!
//! # Design
//!
//! An endpoint that fails must not stop its service, a tenant whose data is bad must not stop an endpoint, and when the
//! whole service fails no call should have to find that out endpoint by endpoint. One circuit cannot do all three. So
//! a call is admitted by three, the widest first, and when it has failed each is told only what is its own: the failure
//! goes to one of them, by a comparison with the *other* endpoints and the *other* tenants (the table is in `blame.rs`),
//! and the two others hear that the call says nothing. A success is told to all.
//!
//! So the circuits keep their own exact rules, and nothing here trips anything. They belong to the driver, which knows their
//! names and their number; a flow finds them through [`Circuits`]. What is kept here is one word for each endpoint and
//! tenant, of how it has done of late.
//!
//! A probe is an exception: a half-open circuit that asks whether it may close gets the probe's own answer, whoever is to
//! blame.

mod blame;
mod config;
mod health;
mod pass;

#[cfg(all(test, not(loom)))]
mod tests;

pub use config::{Config, Settings};
pub(crate) use pass::Pass;

use crate::Time;
use crate::flow::Circuits;
use crate::sync::{AtomicU64, Relaxed};
use alloc::boxed::Box;
use alloc::sync::Arc;
use blame::{GROUPS, Scene};
use health::Health;

/// Tenants are remembered in so many words, by their key: what there is to know of them must not grow with their number.
const TENANTS: usize = 1_024;

/// A scope, the narrowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Scope {
    /// One endpoint.
    #[default]
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

/// How one service's endpoints and tenants have done of late, and whose failure a failure is. Shared by reference; see the
/// [module](self) for the design.
#[derive(Debug)]
pub struct Scopes {
    settings: Settings,
    shared: Arc<Shared>,
    endpoints: Box<[Arc<Health>]>,
}

/// What does not change when endpoints come and go.
#[derive(Debug)]
struct Shared {
    tenants: Box<[Health]>,
    groups: [Health; GROUPS],
    /// Failures by whose they were, indexed as [`Scope::ALL`].
    blamed: [AtomicU64; 3],
}

impl Scopes {
    /// Nothing is known yet of so many endpoints.
    pub fn new(settings: Settings, endpoints: usize) -> Self {
        let tenants = (0..TENANTS).map(|_| Health::default()).collect();
        let (groups, blamed) = (Default::default(), Default::default());
        let endpoints = (0..endpoints).map(|_| Arc::default()).collect();
        Scopes { settings, shared: Arc::new(Shared { tenants, groups, blamed }), endpoints }
    }

    /// The same service with other endpoints: each is one of the present ones, by its index, or new.
    pub fn with_endpoints(&self, endpoints: impl Iterator<Item = Option<usize>>) -> Scopes {
        let stays = |endpoint: Option<usize>| endpoint.and_then(|i| self.endpoints.get(i).cloned());
        let endpoints = endpoints.map(|endpoint| stays(endpoint).unwrap_or_default()).collect();
        Scopes { settings: self.settings.clone(), shared: self.shared.clone(), endpoints }
    }

    /// The same service, with what is known of it, by other settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Scopes {
        Scopes { settings, ..self }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What has been counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let [endpoint, tenant, service] =
            core::array::from_fn(|scope| self.shared.blamed[scope].load(Relaxed));
        Snapshot { blamed: Blamed { endpoint, tenant, service } }
    }

    /// Counts a call's result for those it was about, and answers whose failure it is, if it is one. `tenant` is the key of
    /// a call that has a tenant's circuit.
    fn note(
        &self,
        endpoint: usize,
        tenant: Option<u64>,
        failed: bool,
        circuits: &impl Circuits,
        now: Time,
    ) -> Option<Scope> {
        let shared = &*self.shared;
        let memory = self.settings.memory_secs();
        self.endpoints.get(endpoint)?.note(failed, now, memory);
        if let Some(key) = tenant {
            shared.groups[blame::group(key)].note(failed, now, memory);
            shared.tenant(key).note(failed, now, memory);
        }
        if !failed {
            return None;
        }
        let blamed = Scene { settings: &self.settings, shared, endpoints: &self.endpoints, circuits, now }
            .blame(endpoint, tenant);
        shared.blamed[blamed as usize].fetch_add(1, Relaxed);
        Some(blamed)
    }
}

impl Shared {
    fn tenant(&self, key: u64) -> &Health {
        &self.tenants[(blame::scattered(key) >> 32) as usize % self.tenants.len()]
    }
}

/// What scopes have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// Failed and slow calls by whose they were, since the start.
    pub blamed: Blamed,
}

/// Failed and slow calls by whose they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Blamed {
    /// An endpoint's.
    pub endpoint: u64,
    /// A tenant's.
    pub tenant: u64,
    /// The service's.
    pub service: u64,
}

impl Blamed {
    /// Those that were this scope's.
    pub const fn of(self, scope: Scope) -> u64 {
        match scope {
            Scope::Endpoint => self.endpoint,
            Scope::Tenant => self.tenant,
            Scope::Service => self.service,
        }
    }
}
