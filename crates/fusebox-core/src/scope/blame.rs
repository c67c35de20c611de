//! Whose failure it is.
//!
//! A call belongs to one endpoint and one tenant. When it fails, two questions are asked: do the *other endpoints* fail too,
//! and do the *other tenants*?
//!
//! | other endpoints | other tenants | the failure is |
//! |---|---|---|
//! | fail | fail, or there are none with a key | the service's |
//! | fail | do well, or none is known | the tenant's |
//! | do well | | the endpoint's, unless it does well itself and the tenant does not |
//!
//! Where too little is known it is the endpoint's: the smallest scope.

use super::health::{Health, State};
use super::{Member, Scope, Settings};
use crate::Time;
use alloc::sync::Arc;

/// Tenants are looked at in so many groups, by their key, so that a failure need not look at each.
pub(super) const GROUPS: usize = 32;

/// What must be known of somebody before it is said to stand out.
const STANDS_OUT: u64 = 3;

pub(super) const fn group(key: u64) -> usize {
    // Fibonacci hashing: keys that count up fall into groups of their own.
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

/// Those that a failure is weighed against.
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) endpoints: &'a [Arc<Member>],
    pub(super) groups: &'a [Health; GROUPS],
    pub(super) memory: u64,
    pub(super) now: Time,
}

impl Scene<'_> {
    /// Whose failure a call to `endpoint` for `tenant`, with this key, is.
    pub(super) fn blame(&self, endpoint: &Arc<Member>, tenant: Option<(&Member, u64)>) -> Scope {
        let others = self.endpoints.iter().filter(|other| !Arc::ptr_eq(other, endpoint));
        let endpoints_fail = self.fail(others.map(|other| self.look(other)), true);
        let Some((tenant, key)) = tenant else {
            return if endpoints_fail { Scope::Service } else { Scope::Endpoint };
        };
        if endpoints_fail {
            let others = self.groups.iter().enumerate().filter(|(i, _)| *i != group(key));
            let tenants_fail =
                self.fail(others.map(|(_, group)| group.state(1, self.now, self.memory)), false);
            return if tenants_fail { Scope::Service } else { Scope::Tenant };
        }
        let stands_out =
            |member: &Member| member.health.state(STANDS_OUT, self.now, self.memory) == State::Sick;
        if stands_out(tenant) && !stands_out(endpoint) { Scope::Tenant } else { Scope::Endpoint }
    }

    /// An endpoint whose circuit is not closed is sick, however long ago it was called.
    fn look(&self, member: &Member) -> State {
        match member.circuit.state(self.now) {
            crate::breaker::State::Closed => member.health.state(1, self.now, self.memory),
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
        enough && self.settings.breadth.reached_by(sick, known)
    }
}
