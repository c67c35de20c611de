//! What the machine makes of an outcome.

use super::cause::{Cause, State};
use super::front::{ATTEND, COUNT, Front, tag};
use super::machine::{Machine, Recorded, RunEffect};
use super::ticket::Ticket;
use super::watch::Watch;
use crate::sync::Relaxed;
use crate::{Failure, Outcome, Time};

impl Machine {
    /// Settles a ticket of whatever epoch with whatever outcome.
    pub(super) fn settle(
        &mut self,
        front: &Front,
        watch: Option<&Watch>,
        ticket: Ticket,
        outcome: Outcome,
        now: Time,
    ) {
        self.tick(front, watch, now);
        if ticket.epoch() != self.epoch {
            front.cell().late.fetch_add(1, Relaxed);
            return;
        }
        let slow = now.nanos_since(ticket.began()) >= self.settings.slow;
        let outcome = match outcome {
            Outcome::Cancelled if self.settings.cancel_is_failure() => Outcome::Failure(Failure::Cancelled),
            Outcome::Success if slow && self.settings.slow_is_failure() => Outcome::Failure(Failure::Slow),
            outcome => outcome,
        };
        match self.state {
            State::Closed => self.settle_call(front, &ticket, outcome, slow, now),
            State::HalfOpen => self.settle_probe(front, &ticket, outcome, slow, now),
            // An open epoch admits nothing, so no ticket carries it.
            State::Open => {}
        }
    }

    fn settle_call(&mut self, front: &Front, ticket: &Ticket, outcome: Outcome, slow: bool, now: Time) {
        if ticket.is_overdue() {
            self.hung = self.hung.saturating_sub(1);
        }
        if !self.count(front, outcome, slow, now) {
            return;
        }
        // An overdue attempt has extended the run when it became overdue.
        let extend = if ticket.is_overdue() { RunEffect::Keep } else { RunEffect::Extend };
        let (run, kind) = match outcome {
            Outcome::Success => (RunEffect::End, None),
            Outcome::Failure(kind @ Failure::Overloaded { .. }) => (RunEffect::Keep, Some(kind)),
            Outcome::Failure(kind) => (extend, Some(kind)),
            Outcome::Ignored | Outcome::Cancelled => (extend, Some(Failure::Slow)),
        };
        let failed = matches!(outcome, Outcome::Failure(_)) || (slow && self.settings.slow_is_failure());
        self.record(front, Recorded { failed, slow, run, kind }, now);
    }

    fn settle_probe(&mut self, front: &Front, ticket: &Ticket, outcome: Outcome, slow: bool, now: Time) {
        if !self.phase.settle(ticket.probe_id(), now) {
            front.cell().late.fetch_add(1, Relaxed);
            return;
        }
        if !self.count(front, outcome, slow, now) {
            return self.publish(front);
        }
        let kind = match outcome {
            Outcome::Failure(kind) => Some(kind),
            _ if slow => Some(Failure::Slow),
            _ => None,
        };
        match kind {
            Some(kind) => {
                self.recent.push(kind);
                self.waits.probed(ticket.began(), false);
            }
            None => self.waits.probed(ticket.began(), true),
        }
        let fate = self.phase.count(&self.settings, kind.is_none());
        let failed = Cause::ProbesFailed { bad: self.phase.bad(), last: kind };
        self.decide(front, fate, now, failed);
    }

    /// Adds an outcome to the totals; whether it is evidence.
    fn count(&mut self, front: &Front, outcome: Outcome, slow: bool, now: Time) -> bool {
        match outcome {
            Outcome::Ignored => {
                front.cell().ignored.fetch_add(1, Relaxed);
                return false;
            }
            Outcome::Cancelled => {
                front.cell().cancelled.fetch_add(1, Relaxed);
                if !slow {
                    return false;
                }
            }
            Outcome::Success => self.tally.success += 1,
            Outcome::Failure(kind) => {
                self.tally.failure += 1;
                if let Some(wait) = kind.retry_after() {
                    self.hint = self.hint.max(now + wait);
                }
            }
        }
        self.tally.slow += u64::from(slow);
        true
    }

    /// A success that was added to a cell found that it must come here: the machine asked for it, or the add landed
    /// in another epoch than the ticket's.
    pub(super) fn attend(
        &mut self,
        front: &Front,
        watch: Option<&Watch>,
        ticket: &Ticket,
        found: u64,
        now: Time,
    ) {
        let landed = found & !COUNT & !ATTEND;
        if landed != tag(ticket.epoch()) {
            // If the epoch it landed in has ended too, this add was archived among its successes. The totals never
            // step back, so it stays one of those: a call must not be counted twice.
            if landed == tag(self.epoch) {
                self.strays += 1;
                front.cell().late.fetch_add(1, Relaxed);
            }
            return;
        }
        // Counted while its epoch lived; if that is over by now, there is nothing left to judge.
        if self.epoch == ticket.epoch() {
            self.tick(front, watch, now);
            if self.epoch == ticket.epoch() {
                self.evaluate(front, self.passed(front), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::breaker::Config;

    /// A success of epoch 0 adds itself while the circuit is `landing`, and comes to the machine after `then`; what
    /// the totals make of it: successes and late results.
    fn stray(landing: State, then: &[State]) -> (u64, u64) {
        let settings = alloc::sync::Arc::new(Config::default().check(None).expect("the default works"));
        let mut machine = Machine::new(settings.clone(), Rng::seeded(1), Time::ZERO);
        let front = Front::new(&settings, machine.due());
        let ticket = Ticket { word: 0, began: Time::ZERO };
        machine.enter(&front, landing, Time::ZERO, Cause::Operator);
        let found = front.pass();
        for state in then {
            machine.enter(&front, *state, Time::ZERO, Cause::Operator);
        }
        machine.attend(&front, None, &ticket, found, Time::ZERO);
        let totals = machine.snapshot(&front, Time::ZERO).totals;
        (totals.success, totals.late)
    }

    #[test]
    fn a_success_that_lands_in_a_later_epoch_is_late() {
        assert_eq!(stray(State::Closed, &[]), (0, 1));
        assert_eq!(stray(State::Open, &[]), (0, 1));
    }

    #[test]
    fn a_success_that_lands_in_a_later_epoch_which_ends_at_once_is_not_counted_twice() {
        assert_eq!(stray(State::Closed, &[State::Open]), (1, 0));
        assert_eq!(stray(State::Open, &[State::HalfOpen, State::Closed]), (1, 0));
        assert_eq!(stray(State::Closed, &[State::Open, State::HalfOpen].repeat(100)), (1, 0));
    }

    #[test]
    fn a_success_that_a_snapshot_has_shown_is_not_taken_back() {
        let settings = alloc::sync::Arc::new(Config::default().check(None).expect("the default works"));
        let mut machine = Machine::new(settings.clone(), Rng::seeded(1), Time::ZERO);
        let front = Front::new(&settings, machine.due());
        machine.enter(&front, State::Closed, Time::ZERO, Cause::Operator);
        let shown = |machine: &mut Machine| machine.snapshot(&front, Time::ZERO).totals.success;
        let found = front.pass();
        assert_eq!(shown(&mut machine), 1, "it may be in time, for all that can be seen");
        machine.attend(&front, None, &Ticket { word: 0, began: Time::ZERO }, found, Time::ZERO);
        assert_eq!((shown(&mut machine), machine.snapshot(&front, Time::ZERO).totals.late), (1, 1));
        front.pass();
        assert_eq!(shown(&mut machine), 1);
        front.pass();
        assert_eq!(shown(&mut machine), 2);
    }
}
