//! A call's way through the scopes: in by the widest, out with one result for each.

use super::{At, Member, Scope, Scopes};
use crate::breaker::Ticket;
use crate::{Outcome, Rejection, Time};
use alloc::sync::Arc;

/// Proof that a call was admitted by its service and its tenant, and by an endpoint once it has one. Hand it back with
/// [`settle`](Scopes::settle), once, whatever became of the call.
#[derive(Debug)]
#[must_use = "a pass that is not settled is a call that never ended"]
pub struct Pass {
    key: u64,
    service: Ticket,
    tenant: Option<(Arc<Member>, Ticket)>,
    endpoint: Option<(Arc<Member>, Ticket)>,
    /// It is overdue, and that was this scope's.
    overdue: Option<Scope>,
}

impl Pass {
    /// Whether the call is a probe of one of its circuits.
    pub fn is_probe(&self) -> bool {
        let narrow = [&self.tenant, &self.endpoint].into_iter().flatten();
        self.service.is_probe() || narrow.into_iter().any(|(_, ticket)| ticket.is_probe())
    }

    /// When the call began, or its last attempt.
    fn began(&self) -> Time {
        self.endpoint.as_ref().map_or(self.service.began(), |(_, ticket)| ticket.began())
    }
}

impl Scopes {
    /// Asks to call `endpoint` for the tenant with this key; 0 is nobody's. As [`enter`](Self::enter) and
    /// [`aim`](Self::aim) in one.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of the widest circuit that refuses. Nothing is held then.
    ///
    /// # Panics
    ///
    /// If there is no such endpoint.
    pub fn admit(&self, endpoint: usize, key: u64, now: Time) -> Result<Pass, Rejection> {
        let mut pass = self.enter(key, now)?;
        match self.aim(&mut pass, endpoint, now) {
            Ok(()) => Ok(pass),
            Err(rejection) => {
                self.settle(pass, Outcome::Ignored, now);
                Err(rejection)
            }
        }
    }

    /// Asks the service and the tenant, before there is an endpoint: when the service is down, no endpoint is looked for.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of the widest circuit that refuses. Nothing is held then.
    pub fn enter(&self, key: u64, now: Time) -> Result<Pass, Rejection> {
        let shared = &*self.shared;
        let service = shared.service.admit_for(key, now)?;
        let tenant = match (&shared.tenants, &shared.settings.config.tenant) {
            (Some(tenants), Some(circuit)) if key != 0 => {
                let make = || Member::of(circuit, shared.rng.fork(), now);
                let tenant = tenants.member(key, now, make);
                match tenant.circuit.admit_for(key, now) {
                    Ok(ticket) => Some((tenant, ticket)),
                    Err(rejection) => {
                        shared.service.settle(service, Outcome::Ignored, now);
                        return Err(rejection);
                    }
                }
            }
            _ => None,
        };
        Ok(Pass { key, service, tenant, endpoint: None, overdue: None })
    }

    /// Asks an endpoint. One that the call was aimed at before is let go: it says nothing about it. When it refuses, the
    /// pass is as good as before for another endpoint.
    ///
    /// # Errors
    ///
    /// The endpoint's [`Rejection`].
    ///
    /// # Panics
    ///
    /// If there is no such endpoint.
    pub fn aim(&self, pass: &mut Pass, endpoint: usize, now: Time) -> Result<(), Rejection> {
        if let Some((member, ticket)) = pass.endpoint.take() {
            member.circuit.settle(ticket, Outcome::Ignored, now);
        }
        let member = &self.endpoints[endpoint];
        let ticket = member.circuit.admit_for(pass.key, now)?;
        pass.endpoint = Some((member.clone(), ticket));
        Ok(())
    }

    /// The driver's timer says: this call has been in flight for as long as makes a call slow. It speaks against whoever
    /// is to blame from now on, and not again when it settles.
    pub fn overdue(&self, pass: &mut Pass, now: Time) {
        let slow = now.nanos_since(pass.began()) >= self.shared.settings.slow;
        let Some((member, ticket)) = pass.endpoint.as_mut().filter(|_| slow && pass.overdue.is_none()) else {
            return;
        };
        let tenant = pass.tenant.as_mut();
        let at = At { member, tenant: tenant.as_ref().map(|(tenant, _)| &**tenant), key: pass.key };
        let blamed = self.note(&at, true, now);
        match (blamed, tenant) {
            (Scope::Tenant, Some((tenant, ticket))) => tenant.circuit.overdue(ticket, now),
            (Scope::Service, _) => self.shared.service.overdue(&mut pass.service, now),
            _ => member.circuit.overdue(ticket, now),
        }
        pass.overdue = Some(blamed);
    }

    /// Tells what came of a call. A success is every circuit's; a failure, a slow call and one that hangs are the one
    /// circuit's that is to blame. A call that never had an endpoint says nothing.
    pub fn settle(&self, pass: Pass, outcome: Outcome, now: Time) {
        let took = now.nanos_since(pass.began());
        let Pass { key, service, tenant, endpoint, overdue } = pass;
        let judged = endpoint.as_ref().and_then(|_| self.shared.settings.judge(outcome, took));
        let outcome = if endpoint.is_some() { outcome } else { Outcome::Ignored };
        let blamed = endpoint.as_ref().zip(judged).and_then(|((member, _), failed)| {
            if overdue.is_some() {
                return overdue;
            }
            let at = At { member, tenant: tenant.as_ref().map(|(tenant, _)| &**tenant), key };
            let scope = self.note(&at, failed, now);
            failed.then_some(scope)
        });
        let told = |scope, ticket: &Ticket| match blamed {
            Some(blamed) if blamed != scope && !ticket.is_probe() => Outcome::Ignored,
            _ => outcome,
        };
        let heard = told(Scope::Service, &service);
        self.shared.service.settle(service, heard, now);
        for (scope, held) in [(Scope::Tenant, tenant), (Scope::Endpoint, endpoint)] {
            if let Some((member, ticket)) = held {
                let heard = told(scope, &ticket);
                member.circuit.settle(ticket, heard, now);
            }
        }
    }
}
