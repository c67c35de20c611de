//! The way in: each stage admits, refuses, or has the call wait.

use super::branch::{At, Side};
use super::carried::{Carried, Refuser};
use super::{Circuits, Cx, Flow, Watching};
use crate::breaker::{State, Watched};
use crate::bulkhead::{Bulkhead, Entry, Parked};
use crate::pipeline::Stage;
use crate::scope::Pass;
use crate::{Outcome, Rejection, Time};
use alloc::boxed::Box;

impl Flow {
    #[inline(always)]
    pub(super) fn enter(&mut self, side: Side, stage: &Stage, circuits: &impl Circuits, cx: &Cx<'_>) {
        match stage {
            Stage::Fallback(_) => {}
            Stage::RateLimiter(limiter) => match limiter.admit(self.ask.key, cx.now, self.latest(cx.now)) {
                Ok(grant) => {
                    self.grant = Some(grant);
                    if grant.at() > cx.now {
                        self.main.at = At::Limited(grant.at());
                    }
                }
                Err(rejection) => return self.refuse(side, rejection),
            },
            // Fixed when the call began.
            Stage::Deadline(_) => {}
            // No time is left for an attempt: a ticket would be evidence of nothing.
            Stage::Scopes(_) | Stage::Breaker if cx.now >= self.deadline => {
                return self.turn_out(side, Carried::Deadline { failure: false });
            }
            Stage::Scopes(scopes) => match Pass::enter(scopes, self.ask.key, circuits, cx.now) {
                Ok(pass) => self.branch(side).wide = Some(Box::new(pass)),
                Err((rejection, scope)) => {
                    let endpoint = self.branch(side).endpoint;
                    return self.turn_out(side, Carried::Rejected(rejection, Refuser::of(endpoint, scope)));
                }
            },
            Stage::Pick(balancer) => {
                self.endpoints = balancer.endpoints();
                self.branch(side).picked_from = self.branch(side).attempt;
                if let Err((rejection, of)) = self.branch(side).pick(balancer, circuits, cx) {
                    return self.turn_out(side, Carried::Rejected(rejection, of));
                }
            }
            Stage::Throttle(throttle) => match throttle.admit(self.ask.priority, cx.rng, cx.now) {
                Ok(()) => {
                    let branch = self.branch(side);
                    (branch.throttled, branch.picked_from) = (true, branch.attempt);
                }
                Err(rejection) => return self.refuse(side, rejection),
            },
            Stage::Bulkhead(bulkhead) => {
                let entry = bulkhead.enter(self.ask, cx.now, self.latest(cx.now), cx.waker);
                if let Entry::Parked(parked) = entry
                    && let Some(carried) = self.open_already(side, circuits, cx.now)
                {
                    bulkhead.cancel(parked, cx.now);
                    return self.turn_out(side, carried);
                }
                return self.entered(side, entry, false);
            }
            Stage::Pool(pool) => {
                let entry = pool.enter(self.ask, cx.now, self.latest(cx.now), cx.waker);
                return self.entered(side, entry, true);
            }
            Stage::Retry { budget, .. } => {
                if let (0, Some(budget)) = (self.rounds, budget) {
                    budget.first_try(cx.now);
                }
            }
            Stage::Hedge(hedge) => {
                if self.rounds == 0 {
                    hedge.first_try(cx.now);
                }
                self.branch(side).hedged_from = self.branch(side).attempt;
                self.fork = self.main.depth + 1;
                // How long to wait is known when the attempt begins.
                if self.replayable && self.watching == Watching::Driver {
                    self.hedge_after = hedge.delay(cx.now);
                }
            }
            Stage::Timeout(span) => self.timeout = *span,
            Stage::AdaptiveTimeout(timeout) => self.timeout = timeout.span(cx.now),
            Stage::Breaker if self.branch(side).anyway => self.branch(side).longest = 0,
            Stage::Breaker => {
                let key = self.ask.key;
                let branch = self.branch(side);
                let circuit = circuits.circuit(branch.endpoint);
                match if key == 0 { circuit.admit(cx.now) } else { circuit.admit_for(key, cx.now) } {
                    Ok(ticket) => branch.held = Some(Watched::by_driver(ticket)),
                    Err(rejection) => return self.refuse(side, rejection),
                }
                branch.longest = 0;
            }
        }
        self.branch(side).depth += 1;
    }

    #[inline(always)]
    fn refuse(&mut self, side: Side, rejection: Rejection) {
        let branch = self.branch(side);
        branch.at = At::Outward(Carried::Rejected(rejection, Refuser::at(branch.endpoint)));
    }

    #[inline(always)]
    fn turn_out(&mut self, side: Side, carried: Carried) {
        self.branch(side).at = At::Outward(carried);
    }

    #[inline(always)]
    fn entered(&mut self, side: Side, entry: Entry, pool: bool) {
        let branch = self.branch(side);
        match entry {
            Entry::Placed(place) => {
                *(if pool { &mut branch.pool } else { &mut branch.place }) = Some(place);
                branch.at = At::Inward;
                branch.depth += 1;
            }
            Entry::Parked(parked) => branch.at = At::Parked(parked),
            Entry::Refused(rejection) => self.refuse(side, rejection),
        }
    }

    /// There is no point in queueing before a circuit that will refuse.
    fn open_already(&mut self, side: Side, circuits: &impl Circuits, now: Time) -> Option<Carried> {
        let endpoint = self.branch(side).endpoint;
        let circuit = circuits.circuit(endpoint);
        if circuit.state(now) != State::Open {
            return None;
        }
        match circuit.admit(now) {
            Err(rejection) => Some(Carried::Rejected(rejection, Refuser::at(endpoint))),
            Ok(ticket) => {
                circuit.settle(ticket, Outcome::Ignored, now);
                None
            }
        }
    }

    /// The rate limiter's moment has come, or the call's last one.
    pub(super) fn go(&mut self, side: Side, now: Time) {
        if now >= self.deadline {
            return self.turn_out(side, Carried::Deadline { failure: false });
        }
        self.branch(side).at = At::Inward;
    }

    /// Asks again for a place that was queued for.
    pub(super) fn resume(&mut self, side: Side, stage: &Stage, parked: Parked, cx: &Cx<'_>) {
        let (bulkhead, pool): (&Bulkhead, bool) = match stage {
            Stage::Bulkhead(bulkhead) => (bulkhead, false),
            Stage::Pool(pool) => (pool, true),
            _ => return self.turn_out(side, Carried::Gone),
        };
        if cx.now >= self.deadline {
            bulkhead.cancel(parked, cx.now);
            return self.turn_out(side, Carried::Deadline { failure: false });
        }
        let entry = bulkhead.resume(parked, cx.now, cx.waker);
        self.entered(side, entry, pool);
    }
}
