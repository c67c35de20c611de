//! What one attempt's way inward holds.
//!
//! A call without hedging has one branch. A hedged attempt walks the stages inside the hedge a second time, with a
//! branch of its own; whatever stands outside is held by the first branch for both.

use super::carried::{Carried, Refuser};
use super::step::Try;
use super::{Circuits, Cx};
use crate::balancer::{Balancer, Tried};
use crate::breaker::{State, Watched};
use crate::bulkhead::{Parked, Place};
use crate::scope::Pass;
use crate::{Outcome, Rejection, Time};
use alloc::boxed::Box;

/// Which of a call's two branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Main,
    Hedge,
}

/// Where a branch stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Start,
    Inward,
    /// The rate limiter has room for the call at this moment.
    Limited(Time),
    /// In a bulkhead's queue.
    Parked(Parked),
    Calling,
    /// Between two attempts.
    Sleeping(Time),
    Outward(Carried),
    /// Came to nothing good, while the other branch is still under way.
    Spent(Carried),
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) at: At,
    pub(super) depth: usize,
    /// The number of the attempt under way, or of the last one.
    pub(super) attempt: u32,
    /// The latest attempt when the endpoint was picked, or the throttle asked: with a later one, a call was made.
    pub(super) picked_from: u32,
    /// The latest attempt when the hedge was passed.
    pub(super) hedged_from: u32,
    /// An attempt's clocks are running.
    pub(super) running: bool,
    /// The response head has come; the verdict on the body is open.
    pub(super) headed: bool,
    pub(super) endpoint: usize,
    /// Every endpoint is out, and the call goes to this one without asking its circuit.
    pub(super) anyway: bool,
    /// The balancer waits to hear of `endpoint`.
    pub(super) picked: bool,
    /// Endpoints that have refused this attempt.
    pub(super) tried: Tried,
    /// The endpoint that failed the attempt before, or has the one beside: another one is better.
    pub(super) avoid: Option<usize>,
    /// The throttle waits to hear.
    pub(super) throttled: bool,
    pub(super) place: Option<Place>,
    pub(super) pool: Option<Place>,
    pub(super) held: Option<Watched>,
    /// Of the service and the tenant, where there are scopes; in a box, so that calls without any do not carry its room.
    pub(super) wide: Option<Box<Pass>>,
    /// A good response head has come: what is held waits to be taken into a tail, to be settled by then.
    pub(super) settle_by: Option<Time>,
    pub(super) began: Time,
    /// The longest attempt under the held ticket, in nanoseconds.
    pub(super) longest: u64,
    pub(super) cut_at: Time,
    pub(super) overdue_at: Time,
    /// When a probe that waits for its own caller gives its place back; a little before its lease is over.
    pub(super) release_at: Time,
    /// What stands if nothing better comes.
    pub(super) last: Option<Carried>,
}

impl Branch {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Branch {
            at: At::Start,
            depth: 0,
            attempt: 0,
            picked_from: 0,
            hedged_from: 0,
            running: false,
            headed: false,
            endpoint: 0,
            anyway: false,
            picked: false,
            tried: Tried::default(),
            avoid: None,
            throttled: false,
            place: None,
            pool: None,
            held: None,
            wide: None,
            settle_by: None,
            began: Time::ZERO,
            longest: 0,
            cut_at: Time::NEVER,
            overdue_at: Time::NEVER,
            release_at: Time::NEVER,
            last: None,
        }
    }

    /// A second attempt beside this one, from `depth` on.
    pub(super) fn beside(&self, depth: usize) -> Self {
        let avoid = Some(self.endpoint);
        Branch { at: At::Inward, depth, endpoint: self.endpoint, avoid, ..Branch::new() }
    }

    /// Chooses an endpoint: better not the one to avoid, never one that has refused.
    #[inline]
    pub(super) fn pick(
        &mut self,
        balancer: &Balancer,
        circuits: &impl Circuits,
        cx: &Cx<'_>,
    ) -> Result<(), (Rejection, Refuser)> {
        let choose = |tried| balancer.pick(tried, circuits, cx.rng, cx.now);
        let other = self.avoid.and_then(|endpoint| choose(self.tried.with(endpoint)).ok());
        (self.anyway, self.longest) = (false, 0);
        (self.endpoint, self.picked) = match other.map_or_else(|| choose(self.tried), Ok) {
            Ok(endpoint) => (endpoint, true),
            Err(rejection) => match balancer.pick_anyway(cx.rng) {
                Some(endpoint) => {
                    self.anyway = true;
                    (endpoint, true)
                }
                None => return Err(self.refused_by_all(rejection, balancer.endpoints(), circuits, cx.now)),
            },
        };
        Ok(())
    }

    /// The refusal of the circuit whose way out is the earliest, when it is the circuits that keep the call from every
    /// endpoint: it says why, and counts the call.
    #[cold]
    fn refused_by_all(
        &mut self,
        rejection: Rejection,
        endpoints: usize,
        circuits: &impl Circuits,
        now: Time,
    ) -> (Rejection, Refuser) {
        if let Some(Carried::Rejected(earlier, of)) = self.last
            && earlier.retry_at <= rejection.retry_at
        {
            return (earlier, of);
        }
        let mut circuits = (0..endpoints).map(|endpoint| (endpoint, circuits.circuit(endpoint)));
        let earliest = circuits.find(|(_, circuit)| {
            circuit.state(now) != State::Closed && circuit.next_due() == rejection.retry_at
        });
        let Some((endpoint, circuit)) = earliest.filter(|_| rejection.reason.falls_back()) else {
            return (rejection, Refuser::at(self.endpoint));
        };
        match circuit.admit(now) {
            Err(refusal) => (refusal, Refuser::at(endpoint)),
            Ok(ticket) => {
                circuit.settle(ticket, Outcome::Ignored, now);
                (rejection, Refuser::at(endpoint))
            }
        }
    }

    #[inline(always)]
    pub(super) fn attempt(&self) -> Try {
        Try { endpoint: self.endpoint, attempt: self.attempt }
    }

    #[inline(always)]
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.at, At::Calling)
    }

    /// Where no circuit listens, the body behind a good head keeps the place and the endpoint all the same.
    #[inline(always)]
    pub(super) fn keep_for_body(&mut self, carried: Carried) {
        if self.headed
            && self.held.is_none()
            && self.settle_by.is_none()
            && carried.outcome() == Outcome::Success
        {
            self.settle_by = Some(Time::NEVER);
        }
    }

    /// Stops the attempt's clocks. Idempotent.
    #[inline(always)]
    pub(super) fn end_attempt(&mut self, now: Time) {
        if self.running {
            self.running = false;
            self.longest = self.longest.max(now.nanos_since(self.began));
            (self.cut_at, self.overdue_at, self.release_at) = (Time::NEVER, Time::NEVER, Time::NEVER);
        }
    }

    /// The other branch has won: what it holds is this one's from now on.
    pub(super) fn inherit(&mut self, winner: Branch) {
        self.headed = winner.headed;
        self.attempt = winner.attempt;
        self.longest = self.longest.max(winner.longest);
        if winner.picked {
            (self.endpoint, self.picked, self.longest) = (winner.endpoint, true, winner.longest);
        }
        if winner.held.is_some() {
            (self.endpoint, self.held, self.longest) = (winner.endpoint, winner.held, winner.longest);
        }
        self.wide = winner.wide.or(self.wide.take());
        self.settle_by = self.settle_by.or(winner.settle_by);
        self.place = self.place.or(winner.place);
    }
}
