//! What a walk tells the records of the circuits that it went through.

use super::{Policies, Walk};
use crate::circuit::CircuitBreaker;
use crate::record::{Attempt, FailedCall, TraceId};
use fusebox_core::flow::Try;
use fusebox_core::{Outcome, Time};

/// What a call says of itself, for whoever reads of it later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) what: Option<&'static str>,
    pub(crate) trace: Option<TraceId>,
}

impl<P: Policies> Walk<P> {
    /// An attempt has come to this, if it is recorded.
    #[inline(always)]
    pub(super) fn note(&mut self, of: Try, outcome: Outcome) {
        if self.stamps.is_empty() {
            return;
        }
        if let Some(began) = self.stamps.end(of) {
            let ended = Ended {
                began,
                outcome,
                own: self.policies.before(of.endpoint),
                service: self.policies.service(),
                tenant: self.tenant.as_ref().map(|(_, circuit)| circuit.clone()),
                endpoint: self.policies.endpoint(of.endpoint),
                told: self.policies.told(),
            };
            ended.tell();
        }
    }
}

/// An attempt that is over. It holds nothing of the walk, which the compiler then need not keep in memory for its sake.
struct Ended<'a> {
    began: Time,
    outcome: Outcome,
    own: &'a CircuitBreaker,
    service: Option<&'a CircuitBreaker>,
    tenant: Option<CircuitBreaker>,
    endpoint: Option<&'a str>,
    told: Told,
}

impl Ended<'_> {
    #[cold]
    #[inline(never)]
    fn tell(self) {
        let (clock, told) = (self.own.clock(), self.told);
        let took = clock.stamp().since(self.began);
        let (ended, now) = (Attempt { took, outcome: self.outcome, trace: told.trace }, clock.now());
        let circuits = [Some(self.own), self.service, self.tenant.as_ref()];
        for record in circuits.into_iter().flatten().filter_map(CircuitBreaker::recorder) {
            ended.tell(record, now, |call| {
                let call = told.what.iter().fold(call, |call, what| call.what(what));
                FailedCall { endpoint: self.endpoint.map(Into::into), ..call }
            });
        }
    }
}
