//! Whose failure it is.
//!
//! A call belongs to one endpoint and one tenant. When it fails, two questions are asked: do the *other endpoints* fail too,
//! and do the *other tenants*?
//!
//! | other endpoints | other tenants | the failure is |
//! |---|---|---|
//! | fail | fail, or the call has no tenant | the service's |
//! | fail | do well, or none is known | the tenant's |
//! | do well, or too few are known | | the endpoint's, unless it does well itself and the tenant does not: then the tenant's |
//!
//! Where too little is known it is the endpoint's: the smallest scope.

use super::health::{Health, State};
use super::{Scope, Settings, Shared};
use crate::Time;
use crate::flow::Circuits;
use alloc::sync::Arc;

/// Tenants are looked at in so many groups, by their key, so that a failure need not look at each.
pub(super) const GROUPS: usize = 32;

/// What must be known of somebody before it is said to stand out.
const STANDS_OUT: u64 = 3;

/// Fibonacci hashing: keys that count up end far from each other.
pub(super) const fn scattered(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(super) const fn group(key: u64) -> usize {
    (scattered(key) >> 59) as usize
}

/// Those that a failure is weighed against.
pub(super) struct Scene<'a, C> {
    pub(super) settings: &'a Settings,
    pub(super) shared: &'a Shared,
    pub(super) endpoints: &'a [Arc<Health>],
    pub(super) circuits: &'a C,
    pub(super) now: Time,
}

impl<C: Circuits> Scene<'_, C> {
    /// Whose failure a call to `endpoint` for the tenant with this key is.
    pub(super) fn blame(&self, endpoint: usize, tenant: Option<u64>) -> Scope {
        let others = (0..self.endpoints.len()).filter(|other| *other != endpoint);
        let endpoints_fail = self.fail(others.map(|other| self.look(other)), true);
        let Some(key) = tenant else {
            return if endpoints_fail { Scope::Service } else { Scope::Endpoint };
        };
        if endpoints_fail {
            let others = self.shared.groups.iter().enumerate().filter(|(i, _)| *i != group(key));
            let tenants_fail = self.fail(others.map(|(_, group)| self.state(group, 1)), false);
            return if tenants_fail { Scope::Service } else { Scope::Tenant };
        }
        let stands_out = |health: &Health| self.state(health, STANDS_OUT) == State::Sick;
        if stands_out(self.shared.tenant(key)) && !stands_out(&self.endpoints[endpoint]) {
            Scope::Tenant
        } else {
            Scope::Endpoint
        }
    }

    fn state(&self, health: &Health, least: u64) -> State {
        health.state(least, self.now, self.settings.memory_secs())
    }

    /// An endpoint whose circuit is not closed is sick, however long ago it was called.
    fn look(&self, endpoint: usize) -> State {
        match self.circuits.circuit(endpoint).state(self.now) {
            crate::breaker::State::Closed => self.state(&self.endpoints[endpoint], 1),
            _ => State::Sick,
        }
    }

    /// Whether so many of the others are sick that it is no single one's doing. More than half of them must be known, of
    /// endpoints; of the groups of tenants one is enough, since few tenants leave most groups empty.
    fn fail(&self, others: impl Iterator<Item = State>, all_are_used: bool) -> bool {
        let (mut all, mut known, mut sick) = (0, 0, 0);
        for state in others {
            all += 1;
            known += u64::from(state != State::Unknown);
            sick += u64::from(state == State::Sick);
        }
        let enough = if all_are_used { known * 2 > all } else { known > 0 };
        enough && self.settings.breadth().reached_by(sick, known)
    }
}
