//! What a walk tells the records of the circuits that it went through.

use super::{Policies, Walk};
use crate::circuit::CircuitBreaker;
use crate::record::{Attempt, TraceId};
use fusebox_core::Outcome;

/// What a call says of itself, for whoever reads of it later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) what: Option<&'static str>,
    pub(crate) trace: Option<TraceId>,
}

impl<P: Policies> Walk<P> {
    /// What the call says of itself.
    #[inline(always)]
    pub(crate) fn tell(&mut self, told: Told) {
        self.told = told;
    }

    /// An attempt that is recorded has come to this.
    #[cold]
    pub(super) fn note(&mut self, attempt: u32, outcome: Outcome) {
        let Some((of, began)) = self.stamps.end(attempt) else { return };
        let own = self.policies.before(of.endpoint);
        let (clock, told) = (own.clock(), self.told);
        let ended = Attempt { took: clock.stamp().since(began), outcome, trace: told.trace };
        let tenant = self.tenant.as_ref().map(|(_, circuit)| circuit);
        for record in [Some(own), self.policies.service(), tenant]
            .into_iter()
            .flatten()
            .filter_map(CircuitBreaker::recorder)
        {
            ended.tell(record, clock.now(), |call| {
                let call = told.what.iter().fold(call, |call, what| call.what(what));
                let endpoint = self.policies.endpoint(of.endpoint).map(Into::into);
                crate::record::FailedCall { endpoint, ..call }
            });
        }
    }
}
