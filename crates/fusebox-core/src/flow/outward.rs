//! The way out: each stage settles, and some turn the walk around.

use super::branch::{At, Side};
use super::carried::{Carried, Refuser};
use super::{Circuits, Cx, Flow};
use crate::balancer::Tried;
use crate::breaker::State;
use crate::pipeline::Stage;
use crate::retry::{Budget, Settings};
use crate::{Outcome, Rejection, Time, Verdict};

impl Flow {
    #[inline(always)]
    pub(super) fn leave(
        &mut self,
        side: Side,
        stage: &Stage,
        carried: Carried,
        circuits: &impl Circuits,
        cx: &Cx<'_>,
    ) {
        match stage {
            Stage::Fallback(on) => self.fallback = carried.falls_back(*on),
            Stage::Retry { settings, budget } => {
                self.leave_retry(settings, budget.as_deref(), carried, circuits, cx);
            }
            stage => {
                self.give_back(side, stage, carried, circuits, cx.now);
                if let (Stage::Pick(_), Carried::Rejected(rejection, of)) = (stage, carried) {
                    self.leave_pick(side, rejection, of);
                }
            }
        }
    }

    /// Gives back what the stage was given, or tells it what became of it.
    #[inline(always)]
    pub(super) fn give_back(
        &mut self,
        side: Side,
        stage: &Stage,
        carried: Carried,
        circuits: &impl Circuits,
        now: Time,
    ) {
        let (made, priority) = (self.attempts > 0, self.ask.priority);
        let branch = self.branch(side);
        match stage {
            Stage::Breaker => self.settle(side, circuits, carried.outcome(), now),
            // With a good head, the place, the endpoint and what scopes have admitted are the body's.
            Stage::Bulkhead(_) | Stage::Pick(_) | Stage::Scopes(_) if branch.settle_by.is_some() => {}
            Stage::Bulkhead(bulkhead) => {
                if let Some(place) = branch.place.take() {
                    bulkhead.leave(place, carried.outcome(), now);
                }
            }
            Stage::Scopes(_) => {
                if let Some(pass) = branch.wide.take() {
                    let (endpoint, took) = (branch.endpoint, branch.longest);
                    pass.settle(endpoint, carried.outcome(), took, circuits, now);
                }
            }
            Stage::Pool(pool) => {
                if let Some(place) = branch.pool.take() {
                    pool.leave(place, carried.outcome(), now);
                }
            }
            Stage::Pick(balancer) if core::mem::take(&mut branch.picked) => {
                if branch.attempt == branch.picked_from || matches!(carried, Carried::Rejected(..)) {
                    balancer.give_back(branch.endpoint);
                } else {
                    balancer.settle(branch.endpoint, carried.outcome(), branch.longest, now);
                }
            }
            Stage::Throttle(throttle) if core::mem::take(&mut branch.throttled) => match carried {
                // It refused nothing: it was never asked.
                Carried::Rejected(..) => throttle.give_back(priority),
                _ if branch.attempt == branch.picked_from => throttle.give_back(priority),
                carried => throttle.settle(carried.outcome(), now),
            },
            // Of an attempt that lost it is known that it would have taken longer still.
            Stage::Hedge(hedge) if branch.attempt > branch.hedged_from => {
                hedge.record(now.nanos_since(branch.began), carried.outcome(), now);
            }
            Stage::AdaptiveTimeout(timeout) => {
                timeout.record(now.nanos_since(branch.began), carried.outcome(), now);
            }
            Stage::RateLimiter(limiter) => {
                if let Some(grant) = self.grant.take()
                    && !made
                {
                    limiter.refund(grant, self.ask.key, now);
                }
            }
            _ => {}
        }
    }

    #[inline(always)]
    pub(super) fn settle(&mut self, side: Side, circuits: &impl Circuits, outcome: Outcome, now: Time) {
        let branch = self.branch(side);
        let Some(held) = &mut branch.held else { return };
        let circuit = circuits.circuit(branch.endpoint);
        held.restart(now.minus_nanos(branch.longest));
        if branch.headed && outcome == Outcome::Success {
            let wide = branch.wide.as_mut().map(|pass| pass.hear(branch.longest, circuits, now));
            branch.settle_by = Some(circuit.hear(held, now).min(wide.unwrap_or(Time::NEVER)));
        } else if let Some(held) = branch.held.take() {
            let heard = branch.wide.as_mut().map_or(outcome, |pass| {
                pass.hears_at(branch.endpoint, held.ticket(), (outcome, branch.longest), circuits, now)
            });
            circuit.settle_watched(held, heard, now);
        }
    }

    /// Another endpoint, when this one's circuit rejects; the earliest way out, when all do.
    fn leave_pick(&mut self, side: Side, rejection: Rejection, of: Refuser) {
        let branch = self.branch(side);
        // A queue or a quota refuses for all endpoints alike.
        if !rejection.reason.is_breaker() || branch.tried.has(branch.endpoint) {
            return;
        }
        branch.tried = branch.tried.with(branch.endpoint);
        match branch.last {
            Some(Carried::Verdict(_) | Carried::TimedOut) => {}
            Some(Carried::Rejected(other, _)) if other.retry_at < rejection.retry_at => {}
            _ => branch.last = Some(Carried::Rejected(rejection, of)),
        }
        branch.at = At::Inward;
    }

    fn leave_retry(
        &mut self,
        settings: &Settings,
        budget: Option<&Budget>,
        carried: Carried,
        circuits: &impl Circuits,
        cx: &Cx<'_>,
    ) {
        let asked = match carried {
            Carried::Verdict(Verdict { outcome: Outcome::Failure(kind), retryable: true, .. }) => {
                kind.retry_after()
            }
            Carried::TimedOut if self.replayable => None,
            Carried::Rejected(..) => {
                // A retry that nothing admits leaves the result that was there.
                if let Some(last @ (Carried::Verdict(_) | Carried::TimedOut)) = self.main.last {
                    self.main.at = At::Outward(last);
                }
                return;
            }
            _ => return,
        };
        if self.rounds >= settings.config().max_attempts || !self.may_return(circuits, cx.now) {
            return;
        }
        // A wait longer than any of ours is for the caller to decide about.
        if asked.is_some_and(|wait| wait > settings.config().backoff.max) {
            return;
        }
        let backoff = settings.config().backoff.wait(self.rounds, cx.rng);
        let until = cx.now.plus_nanos(backoff).max(asked.map_or(cx.now, |wait| cx.now + wait));
        if until >= self.deadline || !budget.is_none_or(|budget| budget.withdraw(cx.now)) {
            return;
        }
        let main = &mut self.main;
        if let Some(held) = &mut main.held {
            circuits.circuit(main.endpoint).rest(held);
        }
        main.last = Some(carried);
        (main.tried, main.avoid) = (Tried::default(), Some(main.endpoint));
        main.depth += 1;
        main.at = At::Sleeping(until);
    }

    /// Whether a circuit would have another attempt: not from a probe, not under a ticket whose epoch is over, and
    /// not when it is open and there is nowhere else to go.
    fn may_return(&self, circuits: &impl Circuits, now: Time) -> bool {
        let wider_returns = match &self.main.wide {
            Some(pass) => !pass.is_probe(),
            None => {
                let tenant = circuits.tenant().map(|(_, circuit)| circuit);
                let mut wider = circuits.service().into_iter().chain(tenant);
                wider.all(|circuit| circuit.state(now) != State::Open)
            }
        };
        if !wider_returns {
            return false;
        }
        match &self.main.held {
            Some(held) => !held.ticket().is_probe() && self.is_current(circuits, now),
            None if !self.is_current(circuits, now) => false,
            None if self.endpoints == 1 => circuits.circuit(self.main.endpoint).state(now) != State::Open,
            None => (0..self.endpoints).any(|i| circuits.circuit(i).state(now) != State::Open),
        }
    }

    /// Whether the ticket, if one is held, is still good for an attempt.
    pub(super) fn is_current(&self, circuits: &impl Circuits, now: Time) -> bool {
        let main = &self.main;
        main.held.as_ref().is_none_or(|held| circuits.circuit(main.endpoint).honours(held.ticket(), now))
            && main.wide.as_ref().is_none_or(|pass| pass.is_current(circuits, now))
    }
}
