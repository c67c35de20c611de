//! Where a hedged walk parts, and where its branches meet again.

use super::branch::{At, Side};
use super::carried::Carried;
use super::step::Step;
use super::{Circuits, Cx, Flow};
use crate::pipeline::Stage;
use crate::{Outcome, Time, Verdict};

impl Flow {
    /// The attempt in flight has taken long: whether a second one goes beside it.
    pub(super) fn forks(&mut self, stages: &[Stage], now: Time) -> bool {
        self.hedge_at = Time::NEVER;
        let Some(Stage::Hedge(hedge)) = self.fork.checked_sub(1).and_then(|at| stages.get(at)) else {
            return false;
        };
        let probes = self.main.held.as_ref().is_some_and(|held| held.ticket().is_probe())
            || self.main.wide.as_ref().is_some_and(|pass| pass.is_probe());
        let may_fork = self.forkable && self.hedge.is_none() && self.main.is_calling() && !probes;
        if !may_fork || !hedge.withdraw(now) {
            return false;
        }
        self.hedge = Some(self.main.beside(self.fork));
        true
    }

    /// The first branch is back where they parted, and the second is still under way.
    pub(super) fn join_main(
        &mut self,
        stages: &[Stage],
        circuits: &impl Circuits,
        cx: &Cx<'_>,
    ) -> Option<Step> {
        let At::Outward(carried) = self.main.at else { return None };
        if !carried.is_good() {
            self.main.at = At::Spent(carried);
            return None;
        }
        let lost = self.hedge.as_ref().filter(|hedge| hedge.is_calling()).map(|hedge| hedge.attempt());
        self.unwind(Side::Hedge, self.fork, Carried::Gone, stages, circuits, cx.now);
        self.longest_of_both();
        self.hedge = None;
        lost.map(Step::Cancel)
    }

    /// The second branch is back where they parted.
    pub(super) fn join_hedge(
        &mut self,
        stages: &[Stage],
        circuits: &impl Circuits,
        cx: &Cx<'_>,
    ) -> Option<Step> {
        let hedge = self.hedge.as_ref()?;
        let At::Outward(carried) = hedge.at else { return None };
        if carried.is_good() {
            if let Some(Stage::Hedge(hedge)) = stages.get(self.fork - 1) {
                hedge.won();
            }
            let lost = self.main.is_calling().then(|| self.main.attempt());
            if !matches!(self.main.at, At::Spent(_)) {
                self.unwind(Side::Main, self.fork, Carried::Gone, stages, circuits, cx.now);
            }
            if let Some(winner) = self.hedge.take() {
                self.main.inherit(winner);
            }
            (self.main.at, self.main.depth) = (At::Outward(carried), self.fork);
            return lost.map(Step::Cancel);
        }
        self.longest_of_both();
        self.hedge = None;
        if let At::Spent(first) = self.main.at {
            // A hedge that was refused, or that only the deadline cut off, takes back nothing of what the first one said.
            let says_something = matches!(carried.outcome(), Outcome::Failure(_));
            self.main.at = At::Outward(if says_something { carried } else { first });
        }
        None
    }

    /// Under one ticket for both, the slow clock is the longer attempt's.
    fn longest_of_both(&mut self) {
        if let Some(hedge) = &self.hedge {
            self.main.longest = self.main.longest.max(hedge.longest);
        }
    }

    /// Brings a branch out as far as `to` without letting any stage turn it around.
    pub(super) fn unwind(
        &mut self,
        side: Side,
        to: usize,
        carried: Carried,
        stages: &[Stage],
        circuits: &impl Circuits,
        now: Time,
    ) {
        self.branch(side).end_attempt(now);
        if let (At::Parked(parked), Some(Stage::Bulkhead(bulkhead) | Stage::Pool(bulkhead))) =
            (self.branch(side).at, stages.get(self.branch(side).depth))
        {
            bulkhead.cancel(parked, now);
        }
        let branch = self.branch(side);
        (branch.at, branch.settle_by) = (At::Outward(carried), None);
        while self.branch(side).depth > to {
            self.branch(side).depth -= 1;
            let depth = self.branch(side).depth;
            self.give_back(side, &stages[depth], carried, circuits, now);
        }
    }
}

impl Carried {
    /// Whether nothing better can come of another attempt.
    fn is_good(self) -> bool {
        matches!(
            self,
            Carried::Verdict(Verdict { outcome: Outcome::Success | Outcome::Ignored, refused: false, .. })
        )
    }
}
