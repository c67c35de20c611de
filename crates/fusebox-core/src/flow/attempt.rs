//! An attempt in flight: its clocks, and who watches them.

use super::branch::{At, Side};
use super::carried::Carried;
use super::step::{Step, Try};
use super::{Circuits, Flow, Watching};
use crate::{Outcome, Time};

impl Flow {
    #[inline(always)]
    pub(super) fn begin(&mut self, side: Side, circuits: &impl Circuits, now: Time) -> Try {
        self.attempts += 1;
        if side == Side::Main {
            self.rounds += 1;
            self.hedge_at = now.plus_nanos(self.hedge_after);
        }
        let (attempt, timeout, watching) = (self.attempts, self.timeout, self.watching);
        let watched = self.main.held.as_ref().is_some_and(|held| !held.ticket().is_probe());
        let branch = self.branch(side);
        branch.attempt = attempt;
        branch.began = now;
        (branch.running, branch.headed) = (true, false);
        branch.cut_at = now.plus_nanos(timeout);
        let circuit = circuits.circuit(branch.endpoint);
        if let Some(pass) = &mut branch.wide {
            pass.send();
            if watching == Watching::Driver
                && let Some(lease) = pass.lease(circuits)
            {
                branch.release_at = now + lease.mul_f64(0.95);
            }
        }
        if let Some(held) = &mut branch.held {
            held.restart(now);
            match watching {
                Watching::Driver if !held.ticket().is_probe() => {
                    branch.overdue_at = now.plus_nanos(circuit.slow_nanos());
                }
                Watching::Driver => {
                    let release_at = now + circuit.settings().probe_lease().mul_f64(0.95);
                    branch.release_at = branch.release_at.min(release_at);
                }
                Watching::Breaker => circuit.keep_watch(held),
                Watching::WhenAsked => {}
            }
        } else if side == Side::Hedge && watched {
            // Under the first attempt's ticket: it may hang when that one has long ended.
            branch.overdue_at = now.plus_nanos(circuit.slow_nanos());
        }
        branch.at = At::Calling;
        branch.attempt()
    }

    /// Looks after an attempt in flight.
    pub(super) fn wait_for_attempt(
        &mut self,
        side: Side,
        circuits: &impl Circuits,
        now: Time,
    ) -> Option<Step> {
        let (deadline, timeout, watching) = (self.deadline, self.timeout, self.watching);
        let branch = self.branch(side);
        let attempt = branch.attempt();
        let circuit = circuits.circuit(branch.endpoint);
        if now >= branch.cut_at {
            branch.at = At::Outward(Carried::TimedOut);
            return Some(Step::Cancel(attempt));
        }
        if now >= deadline {
            let enough = timeout.min(circuit.slow_nanos());
            let failure = now.nanos_since(branch.began) >= enough;
            branch.at = At::Outward(Carried::Deadline { failure });
            return Some(Step::Cancel(attempt));
        }
        if watching == Watching::WhenAsked
            && let Some(held) = &mut branch.held
        {
            circuit.keep_watch(held);
        }
        if now >= branch.overdue_at {
            branch.overdue_at = Time::NEVER;
            let holder = if branch.held.is_some() { branch } else { &mut self.main };
            match (&mut holder.held, &mut holder.wide) {
                (Some(held), Some(pass)) => pass.overdue(holder.endpoint, held.ticket_mut(), circuits, now),
                (Some(held), None) => circuit.overdue(held.ticket_mut(), now),
                (None, _) => {}
            }
        }
        let branch = self.branch(side);
        if now >= branch.release_at {
            branch.release_at = Time::NEVER;
            // The endpoint itself had less than half of it.
            if now.since(branch.began) < circuit.settings().probe_lease() / 2 {
                self.settle(side, circuits, Outcome::Ignored, now);
                let branch = self.branch(side);
                if let Some(pass) = branch.wide.take() {
                    pass.settle(branch.endpoint, Outcome::Ignored, 0, circuits, now);
                }
            }
        }
        None
    }
}
