//! One call's way through the wider circuits.

use super::{Scope, Scopes};
use crate::breaker::{CancelCountsAs, CircuitBreaker, Ticket, Watched};
use crate::flow::Circuits;
use crate::{Outcome, Rejection, Time};
use alloc::sync::Arc;
use core::time::Duration;

/// Proof that a call was admitted by its service and its tenant. Settled once, after its endpoint's ticket.
#[derive(Debug)]
#[must_use = "a pass that is not settled is a call that never ended"]
pub(crate) struct Pass {
    scopes: Arc<Scopes>,
    service: Option<Watched>,
    tenant: Option<Watched>,
    /// An attempt was made under it.
    sent: bool,
    weighed: Weighed,
}

/// Whose the call's result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weighed {
    NotYet,
    /// It is a success.
    Everybodys,
    Of(Scope),
}

/// The wider circuits, the widest first.
fn wider(circuits: &impl Circuits) -> [Option<&CircuitBreaker>; 2] {
    [circuits.service(), circuits.tenant().map(|(_, circuit)| circuit)]
}

impl Pass {
    /// Asks the service and the tenant, before there is an endpoint: when the service is down, no endpoint is looked for.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of the widest circuit that refuses. Nothing is held then.
    pub(crate) fn enter(
        scopes: &Arc<Scopes>,
        key: u64,
        circuits: &impl Circuits,
        now: Time,
    ) -> Result<Pass, (Rejection, Scope)> {
        let admit = |circuit: &CircuitBreaker| circuit.admit_for(key, now).map(Watched::by_driver);
        let [service, tenant] = wider(circuits);
        let held = service.map(admit).transpose().map_err(|no| (no, Scope::Service))?;
        match tenant.map(admit).transpose() {
            Ok(tenant) => {
                let (scopes, weighed) = (scopes.clone(), Weighed::NotYet);
                Ok(Pass { scopes, service: held, tenant, sent: false, weighed })
            }
            Err(rejection) => {
                if let (Some(circuit), Some(held)) = (service, held) {
                    circuit.settle_watched(held, Outcome::Ignored, now);
                }
                Err((rejection, Scope::Tenant))
            }
        }
    }

    /// What is held, with its circuit, the widest first.
    fn held<'a>(
        &'a self,
        circuits: &'a impl Circuits,
    ) -> impl Iterator<Item = (&'a Ticket, &'a CircuitBreaker)> {
        let held = [&self.service, &self.tenant].into_iter().zip(wider(circuits));
        held.filter_map(|(held, circuit)| Some((held.as_ref()?.ticket(), circuit?)))
    }

    /// Whether the call is a probe of the service or of the tenant.
    pub(crate) fn is_probe(&self) -> bool {
        [&self.service, &self.tenant].into_iter().flatten().any(|held| held.ticket().is_probe())
    }

    /// The shortest lease of those that it is a probe of.
    pub(crate) fn lease(&self, circuits: &impl Circuits) -> Option<Duration> {
        let probed = self.held(circuits).filter(|(ticket, _)| ticket.is_probe());
        probed.map(|(_, circuit)| circuit.settings().probe_lease()).min()
    }

    /// Whether it is still good for an attempt.
    pub(crate) fn is_current(&self, circuits: &impl Circuits, now: Time) -> bool {
        self.held(circuits).all(|(ticket, circuit)| circuit.honours(ticket, now))
    }

    /// An attempt begins under it.
    pub(crate) fn send(&mut self) {
        self.sent = true;
    }

    /// The attempt in flight has taken as long as makes it slow for its endpoint. That speaks against whoever is to blame
    /// from now on, and not again when the call settles.
    pub(crate) fn overdue(
        &mut self,
        endpoint: usize,
        ticket: &mut Ticket,
        circuits: &impl Circuits,
        now: Time,
    ) {
        self.weigh_as(Some(true), endpoint, circuits, now);
        let [service, tenant] = wider(circuits);
        let wide = match self.weighed {
            Weighed::Of(Scope::Service) => self.service.as_mut().zip(service),
            Weighed::Of(Scope::Tenant) => self.tenant.as_mut().zip(tenant),
            _ => return circuits.circuit(endpoint).overdue(ticket, now),
        };
        if let Some((held, circuit)) = wide {
            held.restart(ticket.began());
            circuit.overdue(held.ticket_mut(), now);
        }
    }

    /// Weighs the call's result, once; it took `took` nanoseconds.
    fn weigh(&mut self, endpoint: usize, outcome: Outcome, took: u64, circuits: &impl Circuits, now: Time) {
        if self.sent {
            self.weigh_as(judge(endpoint, outcome, took, circuits), endpoint, circuits, now);
        }
    }

    fn weigh_as(&mut self, failed: Option<bool>, endpoint: usize, circuits: &impl Circuits, now: Time) {
        if let (Weighed::NotYet, Some(failed)) = (self.weighed, failed) {
            let tenant = circuits.tenant().map(|(key, _)| key);
            let blamed = self.scopes.note(endpoint, tenant, failed, circuits, now);
            self.weighed = blamed.map_or(Weighed::Everybodys, Weighed::Of);
        }
    }

    /// Weighs the call's result; answers what the endpoint's circuit hears of it.
    pub(crate) fn hears_at(
        &mut self,
        endpoint: usize,
        ticket: &Ticket,
        (outcome, took): (Outcome, u64),
        circuits: &impl Circuits,
        now: Time,
    ) -> Outcome {
        self.weigh(endpoint, outcome, took, circuits, now);
        self.heard(Scope::Endpoint, ticket, outcome)
    }

    /// What the circuit of `scope` hears of `outcome`, for the call with this ticket.
    fn heard(&self, scope: Scope, ticket: &Ticket, outcome: Outcome) -> Outcome {
        match self.weighed {
            Weighed::Of(blamed) if blamed != scope && !ticket.is_probe() => Outcome::Ignored,
            _ => outcome,
        }
    }

    /// The answer has begun, after `took` nanoseconds; by when the call must be settled, for the service and the tenant.
    pub(crate) fn hear(&mut self, took: u64, circuits: &impl Circuits, now: Time) -> Time {
        let held = [&mut self.service, &mut self.tenant].into_iter().zip(wider(circuits));
        let heard = held.filter_map(|(held, circuit)| {
            let held = held.as_mut()?;
            held.restart(now.minus_nanos(took));
            Some(circuit?.hear(held, now))
        });
        heard.min().unwrap_or(Time::NEVER)
    }

    /// Tells the service and the tenant what came of the call: the endpoint's circuit, if there was one, has been told
    /// already.
    pub(crate) fn settle(
        mut self,
        endpoint: usize,
        outcome: Outcome,
        took: u64,
        circuits: &impl Circuits,
        now: Time,
    ) {
        self.weigh(endpoint, outcome, took, circuits, now);
        let outcome = if self.sent { outcome } else { Outcome::Ignored };
        let held = [(Scope::Service, self.service.take()), (Scope::Tenant, self.tenant.take())];
        for ((scope, held), circuit) in held.into_iter().zip(wider(circuits)) {
            if let (Some(held), Some(circuit)) = (held, circuit) {
                let heard = self.heard(scope, held.ticket(), outcome);
                circuit.settle_watched(held.timed_from(now.minus_nanos(took)), heard, now);
            }
        }
    }
}

/// Whether a call that took so long speaks against somebody; `None` when it says nothing at all.
fn judge(endpoint: usize, outcome: Outcome, took: u64, circuits: &impl Circuits) -> Option<bool> {
    let mut involved = wider(circuits).into_iter().flatten().chain([circuits.circuit(endpoint)]);
    match outcome {
        Outcome::Ignored => None,
        Outcome::Failure(_) => Some(true),
        _ if involved.clone().any(|circuit| took >= circuit.slow_nanos()) => Some(true),
        Outcome::Cancelled => {
            let fails = |circuit: &CircuitBreaker| {
                circuit.settings().config().cancel_counts_as == CancelCountsAs::Failure
            };
            involved.any(fails).then_some(true)
        }
        Outcome::Success => Some(false),
    }
}
