//! What operators and restarts do to the machine.

use super::cause::{Cause, State};
use super::front::Front;
use super::hold::{Hold, Mode};
use super::machine::Machine;
use super::phase::Phase;
use super::settings::Settings;
use super::snapshot::{Saved, Snapshot, Totals};
use super::window::Evidence;
use crate::Time;
use crate::event::Event;
use alloc::sync::Arc;
use core::mem::swap;

impl Machine {
    /// Imposes a hold. An earlier one ends at the same moment.
    pub(super) fn take_hold(&mut self, front: &Front, hold: Arc<Hold>, now: Time) {
        if self.hold.is_some() {
            self.release(front, now);
        }
        let mode = hold.mode;
        if mode == Mode::ForcedOpen {
            self.resume = match self.state {
                State::Closed => None,
                State::Open => Some(self.reopen_at),
                State::HalfOpen => Some(now),
            };
        }
        self.hold = Some(hold.clone());
        self.tell(Event::Held(hold));
        if mode == Mode::Shadow || mode == Mode::ForcedClosed && self.state == State::Closed {
            if mode != Mode::Shadow {
                self.credit = None;
            }
            self.publish(front);
        } else {
            self.enter(front, mode.state(), now, Cause::Operator);
        }
    }

    /// Ends the hold, if there is one, and goes on where it was.
    pub(super) fn release(&mut self, front: &Front, at: Time) {
        let Some(hold) = self.hold.take() else { return };
        let mode = hold.mode;
        self.tell(Event::Released(hold));
        match (mode, self.resume.take()) {
            (Mode::ForcedOpen, Some(reopen_at)) => {
                // A wait that ended under the hold is over when the hold is: nothing could probe before.
                self.reopen_at = reopen_at.max(at);
                self.enter(front, State::Open, at, Cause::OverrideEnded);
            }
            (Mode::ForcedOpen | Mode::Disabled, _) => {
                self.enter(front, State::Closed, at, Cause::OverrideEnded);
            }
            // It has gone on as it would, and is enforced from here.
            (Mode::Shadow, _) => self.publish(front),
            (Mode::ForcedClosed, _) => {
                // What was measured meanwhile is judged with the next completion, a fast success included.
                front.ask(true);
                self.asked = true;
                if self.hung > 0 {
                    // Calls that hang complete nothing; the next look at the circuit judges them.
                    front.wake_at(at);
                }
                self.publish(front);
            }
        }
    }

    /// Closes, whatever the state, and forgets the streak.
    pub(super) fn reset(&mut self, front: &Front, now: Time) {
        if let Some(hold) = self.hold.take() {
            self.resume = None;
            self.tell(Event::Released(hold));
        }
        (self.waits.streak, self.waits.last) = (0, 0);
        self.enter(front, State::Closed, now, Cause::Operator);
    }

    /// Runs on new settings; `window` and `phase` are empty ones made for them. What is left in the three is what
    /// was replaced, for the caller to drop outside the lock.
    pub(super) fn reconfigure(
        &mut self,
        front: &Front,
        settings: &mut Arc<Settings>,
        window: &mut Evidence,
        phase: &mut Phase,
        now: Time,
    ) {
        let passed = self.passed(front);
        let kept = self.settings.config.window == settings.config.window || {
            window.begin(passed, now);
            let kept = window.take_over(&mut self.window, passed, now);
            swap(&mut self.window, window);
            kept
        };
        phase.take_over(&mut self.phase);
        swap(&mut self.phase, phase);
        front.set_slow(settings.slow);
        self.tell(Event::Reconfigured {
            old: self.settings.clone(),
            new: settings.clone(),
            window_kept: kept,
            at: now,
        });
        swap(&mut self.settings, settings);
        if self.settings.ramp.is_none() {
            self.credit = None;
        }
        self.publish(front);
        if self.state == State::Closed {
            // Ask anew: what was enough evidence may not be enough now, and the other way round.
            front.ask(true);
            self.asked = true;
        }
    }

    pub(super) fn snapshot(&mut self, front: &Front, now: Time) -> Snapshot {
        let passed = self.passed(front);
        let closed = self.state == State::Closed;
        let success = self.tally.success + if closed { passed.max(0) as u64 } else { 0 };
        self.tally.shown = self.tally.shown.max(success);
        let shadows = self.shadows();
        let retry_at = match self.state {
            _ if shadows => Time::NEVER,
            State::Closed => Time::NEVER,
            State::HalfOpen if !self.phase.is_full(&self.settings) => Time::NEVER,
            _ => self.due(),
        };
        Snapshot {
            state: if shadows { State::Closed } else { self.state },
            shadow: shadows.then_some(self.state),
            ramp: self.ramp_share(now),
            epoch: self.epoch,
            since: self.since,
            retry_at,
            hold: self.hold.clone(),
            last_trip: self.last_trip,
            streak: self.waits.streak,
            recovery: self.waits.learned(&self.settings),
            window: if closed { self.window.counts(passed) } else { Default::default() },
            consecutive_failures: self.run.length(passed),
            hung: self.hung,
            probes: self.phase.counts(),
            totals: Totals {
                success: self.tally.shown,
                rejected: front.sum(|cell| &cell.rejected),
                ignored: front.sum(|cell| &cell.ignored),
                cancelled: front.sum(|cell| &cell.cancelled),
                late: front.sum(|cell| &cell.late),
                recovering: front.sum(|cell| &cell.recovering),
                would_reject: front.sum(|cell| &cell.would_reject),
                unenforced: front.sum(|cell| &cell.unenforced),
                failure: self.tally.failure,
                slow: self.tally.slow,
                changes: self.tally.changes.map(|to| to.map(u64::from)),
                internal_faults: self.tally.internal_faults.into(),
            },
        }
    }

    /// Whether nothing would be lost with it: closed, not held, nothing hung, and an empty window.
    pub(super) fn is_idle(&mut self, front: &Front, now: Time) -> bool {
        if self.state != State::Closed || self.hold.is_some() || self.hung > 0 || now <= self.since {
            return false;
        }
        if self.credit.is_some() && now < self.ramp_ends() {
            return false;
        }
        self.roll(front, now);
        self.window.counts(self.passed(front)).calls == 0
    }

    pub(super) fn save(&self, now: Time) -> Saved {
        let (state, reopen_at) = match (self.mode(), self.resume) {
            (Some(Mode::ForcedOpen), Some(reopen_at)) => (State::Open, reopen_at),
            (Some(Mode::ForcedOpen), None) => (State::Closed, Time::NEVER),
            _ => (self.state, self.reopen_at),
        };
        let left_nanos = if state == State::Open { reopen_at.nanos_since(now) } else { 0 };
        Saved { state, left_nanos, streak: self.waits.streak, last_wait_nanos: self.waits.last }
    }

    /// Takes up a saved circuit, unless an operator holds this one.
    pub(super) fn restore(&mut self, front: &Front, saved: Saved, age_nanos: u64, now: Time) -> bool {
        if self.hold.is_some() {
            return false;
        }
        (self.waits.streak, self.waits.last) = (saved.streak, saved.last_wait_nanos);
        if saved.state != State::Closed {
            // What tripped it is not known any more; an older trip of this breaker would be the wrong story.
            self.last_trip = None;
            self.reopen_at = now.plus_nanos(saved.left_nanos.saturating_sub(age_nanos));
            self.enter(front, State::Open, now, Cause::Restored);
        }
        true
    }

    /// Starts anew after a panic in the middle of something. Totals keep what they can.
    pub(super) fn start_afresh(&mut self, front: &Front, now: Time) {
        self.hold = None;
        self.resume = None;
        self.enter(front, State::Closed, now, Cause::InternalFault);
    }
}
