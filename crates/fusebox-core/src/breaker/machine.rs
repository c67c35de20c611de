//! The sequential machine behind the front: an ordinary struct under one short lock.
//!
//! Everything that is not a fast success or a rejection comes here, and every rule is judged here. The lock never
//! covers user code, allocation or a clock. Each method first lets everything happen that is due, at the moment it
//! was due, so that a circuit nobody called for a day tells the same story as one with a timer.

use super::cause::{Cause, RecentFailures, Rule, State, Trip};
use super::front::{DISABLED, FORCED, FULL, Front, LENIENT, RAMP, WHOLE};
use super::hold::{Hold, Mode};
use super::outbox::queue;
use super::phase::{Due, Fate, Phase};
use super::settings::Settings;
use super::wait::Waits;
use super::watch::Watch;
use super::window::Evidence;
use crate::event::{Event, Transition};
use crate::{Failure, Rng, Time};
use alloc::collections::VecDeque;
use alloc::sync::Arc;

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) settings: Arc<Settings>,
    pub(super) rng: Rng,
    pub(super) state: State,
    pub(super) epoch: u64,
    pub(super) since: Time,
    pub(super) reopen_at: Time,
    pub(super) waits: Waits,
    pub(super) phase: Phase,
    pub(super) window: Evidence,
    pub(super) run: Run,
    /// Attempts in flight that count as slow already.
    pub(super) hung: u32,
    /// The next success has been asked to come here.
    pub(super) asked: bool,
    /// What a ramp under way owes the next call, in parts per million of one.
    pub(super) credit: Option<u32>,
    /// Adds that landed in this epoch but belong to an older one.
    pub(super) strays: i64,
    pub(super) recent: RecentFailures,
    /// The latest moment before which the dependency asked not to be called.
    pub(super) hint: Time,
    pub(super) last_trip: Option<Trip>,
    pub(super) hold: Option<Arc<Hold>>,
    /// Where to go on after being forced open: when to probe, or `None` for closed.
    pub(super) resume: Option<Time>,
    pub(super) tally: Tally,
    pub(super) listened: bool,
    pub(super) waiting: VecDeque<Event>,
}

/// What the machine has counted since the breaker was made; the rest is counted in the cells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) success: u64,
    /// The most successes a snapshot has shown: a stray that is put right must not take one back.
    pub(super) shown: u64,
    pub(super) failure: u64,
    pub(super) slow: u64,
    pub(super) changes: [[u32; 3]; 3],
    pub(super) internal_faults: u32,
}

/// Failures in a row. A fast success in between shows in the count of passed ones.
#[derive(Debug, Default)]
pub(super) struct Run {
    length: u32,
    passed: i64,
}

impl Run {
    fn extend(&mut self, passed: i64) {
        self.length = self.length(passed).saturating_add(1);
        self.passed = passed;
    }

    pub(super) fn length(&self, passed: i64) -> u32 {
        if passed == self.passed { self.length } else { 0 }
    }
}

impl Machine {
    pub(super) fn new(settings: Arc<Settings>, rng: Rng, now: Time) -> Self {
        Machine {
            rng,
            state: State::Closed,
            epoch: 0,
            since: now,
            reopen_at: Time::NEVER,
            waits: Waits::new(&settings),
            phase: Phase::new(&settings),
            window: Evidence::new(&settings, now),
            run: Run::default(),
            hung: 0,
            asked: false,
            credit: None,
            strays: 0,
            recent: RecentFailures::default(),
            hint: Time::ZERO,
            last_trip: None,
            hold: None,
            resume: None,
            tally: Tally::default(),
            listened: false,
            waiting: VecDeque::new(),
            settings,
        }
    }

    /// Fast successes of this epoch.
    pub(super) fn passed(&self, front: &Front) -> i64 {
        front.passed() as i64 - self.strays
    }

    pub(super) fn mode(&self) -> Option<Mode> {
        self.hold.as_ref().map(|hold| hold.mode)
    }

    /// Whether an operator keeps the rules from doing anything.
    pub(super) fn is_frozen(&self) -> bool {
        self.mode().is_some_and(|mode| mode != Mode::Shadow)
    }

    /// The share of the calls that it is enforced for, in parts per million; 0 when it shadows.
    fn share(&self) -> u64 {
        match self.mode() {
            Some(Mode::Shadow) => 0,
            Some(_) => WHOLE,
            None => self.settings.share(),
        }
    }

    /// Whether nobody is refused, and it only tells what it would do.
    pub(super) fn shadows(&self) -> bool {
        self.share() == 0
    }

    /// Lets everything happen that is due by `now`, each thing at its moment.
    pub(super) fn tick(&mut self, front: &Front, watch: Option<&Watch>, now: Time) {
        loop {
            if let Some(hold) = &self.hold
                && now >= hold.expires
            {
                let at = hold.expires;
                self.release(front, at);
                continue;
            }
            match self.state {
                State::Open if !self.is_frozen() && now >= self.reopen_at => {
                    self.enter(front, State::HalfOpen, self.reopen_at, Cause::WaitOver);
                }
                State::HalfOpen => match self.phase.next_due(&self.settings) {
                    (at, due) if now >= at => self.phase_due(front, at, due),
                    _ => return,
                },
                State::Open => return,
                State::Closed => return self.tick_closed(front, watch, now),
            }
        }
    }

    fn tick_closed(&mut self, front: &Front, watch: Option<&Watch>, now: Time) {
        self.rest(now);
        self.climb(front, now);
        self.roll(front, now);
        let mut newly_hung = 0;
        if now >= front.watch_due() {
            front.clear_wake();
            let watch = watch.filter(|_| self.settings.watches_hung_calls());
            let slow = self.settings.slow;
            newly_hung = watch.map_or(0, |watch| watch.look(front, self.epoch, self.since, slow, now));
        }
        let passed = self.passed(front);
        for _ in 0..newly_hung {
            self.hung += 1;
            self.run.extend(passed);
        }
        if self.hung > 0 {
            self.evaluate(front, passed, now);
            self.watch_the_hung(front);
        }
    }

    /// A closed circuit has stayed so until `at`.
    fn rest(&mut self, at: Time) {
        if self.waits.streak > 0 {
            self.waits.rest(&self.settings, at.nanos_since(self.since));
        }
    }

    /// While calls hang, time alone can complete the evidence: let the next admit after the bucket come here.
    fn watch_the_hung(&self, front: &Front) {
        if self.hung > 0 {
            front.wake_at(self.window.ends());
        }
    }

    pub(super) fn roll(&mut self, front: &Front, now: Time) {
        if now >= self.window.ends() {
            let seen = self.window.counts(self.passed(front));
            if seen.failures + seen.slow > 0 && !self.is_frozen() {
                // Successes that leave the window raise its rates, so the next completion must be judged, a fast
                // success included. First ask, then read what has passed.
                front.ask(true);
                self.asked = true;
            }
            self.window.roll(self.passed(front), now);
            front.set_due(self.due());
        }
    }

    fn phase_due(&mut self, front: &Front, at: Time, due: Due) {
        // Its probes began no earlier than the phase.
        self.waits.probed(self.since, false);
        let fate = match due {
            Due::LeaseOver => {
                self.phase.end_lease(at);
                self.phase.count(&self.settings, false)
            }
            Due::PhaseOver => Fate::Reopen,
        };
        let cause = match (due, self.settings.config.half_open_limit) {
            (Due::PhaseOver, Some(limit)) => Cause::PhaseLimit(limit),
            _ => Cause::ProbesFailed { bad: self.phase.bad(), last: None },
        };
        self.decide(front, fate, at, cause);
    }

    /// Goes where a phase's fate leads; `failed` is told if it reopens.
    pub(super) fn decide(&mut self, front: &Front, fate: Fate, at: Time, failed: Cause) {
        match fate {
            Fate::Reopen => self.open(front, at, failed),
            Fate::Close => {
                let cause = Cause::Recovered { good: self.phase.good() };
                self.enter(front, State::Closed, at, cause);
            }
            Fate::Undecided => self.publish(front),
        }
    }

    /// Counts a call that did not pass the fast way, and judges.
    pub(super) fn record(&mut self, front: &Front, call: Recorded, now: Time) {
        let passed = self.passed(front);
        match call.run {
            RunEffect::Extend => self.run.extend(passed),
            RunEffect::End => self.run = Run { length: 0, passed },
            RunEffect::Keep => {}
        }
        if call.failed
            && let Some(kind) = call.kind
        {
            self.recent.push(kind);
        }
        self.window.record(passed, call.failed, call.slow);
        self.evaluate(front, passed, now);
    }

    /// An attempt in flight is overdue.
    pub(super) fn hang(&mut self, front: &Front, now: Time) {
        let passed = self.passed(front);
        self.hung += 1;
        self.run.extend(passed);
        self.evaluate(front, passed, now);
        self.watch_the_hung(front);
    }

    /// Judges the evidence, and asks for the next success where that could complete it. `passed` is what had passed when
    /// the evidence was recorded: a success that has come since must not end a run that was long enough.
    pub(super) fn evaluate(&mut self, front: &Front, passed: i64, now: Time) {
        if self.state != State::Closed || self.is_frozen() {
            return;
        }
        if let Some(trip) = self.judge(passed, now) {
            return self.trip(front, trip);
        }
        let mut lacks = self.lacks_evidence(passed);
        if lacks && !self.asked {
            // First ask, then read: a success that is not in this count sees the question.
            front.ask(true);
            let passed = self.passed(front);
            if let Some(trip) = self.judge(passed, now) {
                return self.trip(front, trip);
            }
            lacks = self.lacks_evidence(passed);
            if !lacks {
                front.ask(false);
            }
        } else if !lacks && self.asked {
            front.ask(false);
        }
        self.asked = lacks;
    }

    /// Whether a mere success could complete the minimum and let a rate fire.
    fn lacks_evidence(&mut self, passed: i64) -> bool {
        let hung = u64::from(self.hung);
        let seen = self.window.counts(passed);
        let settings = &self.settings;
        (settings.failure_rate.is_some() || settings.slow_call_rate.is_some())
            && seen.failures + seen.slow + hung > 0
            && seen.calls < u64::from(settings.config.minimum_calls)
    }

    fn judge(&mut self, passed: i64, now: Time) -> Option<Trip> {
        let seen = self.window.counts(passed);
        let (settings, config) = (&*self.settings, &self.settings.config);
        let hung = u64::from(self.hung);
        let run = u64::from(self.run.length(passed));
        let failing_hung = if settings.slow_is_failure() { hung } else { 0 };
        let failures = seen.failures + failing_hung;
        let minimum = u64::from(config.minimum_calls);
        let trip = |rule, counted, calls, hung| Trip {
            rule,
            counted,
            calls,
            threshold: 0,
            rate: None,
            hung,
            window: config.window,
            failures: self.recent,
            at: now,
        };
        if let Some(n) = config.consecutive_failures
            && run >= u64::from(n)
        {
            let trip = trip(Rule::ConsecutiveFailures, run, run, hung.min(run));
            return Some(Trip { threshold: u64::from(n), ..trip });
        }
        if let Some(n) = config.failure_count
            && failures >= u64::from(n)
        {
            let trip = trip(Rule::FailureCount, failures, seen.calls + failing_hung, failing_hung);
            return Some(Trip { threshold: u64::from(n), ..trip });
        }
        let calls = seen.calls + failing_hung;
        if let Some(rate) = settings.failure_rate
            && calls >= minimum
            && failures > 0
            && rate.reached_by(failures, calls)
        {
            return Some(Trip { rate: Some(rate), ..trip(Rule::FailureRate, failures, calls, failing_hung) });
        }
        let (slow, calls) = (seen.slow + hung, seen.calls + hung);
        if let Some(rate) = settings.slow_call_rate
            && calls >= minimum
            && slow > 0
            && rate.reached_by(slow, calls)
        {
            return Some(Trip { rate: Some(rate), ..trip(Rule::SlowCallRate, slow, calls, hung) });
        }
        None
    }

    fn trip(&mut self, front: &Front, trip: Trip) {
        self.last_trip = Some(trip);
        self.waits.tripped(trip.at);
        self.open(front, trip.at, Cause::Tripped(trip));
    }

    /// Opens for the next wait of the streak.
    fn open(&mut self, front: &Front, at: Time, cause: Cause) {
        let wait = self.waits.next(&self.settings, self.hint, at, &mut self.rng);
        self.reopen_at = at.plus_nanos(wait);
        self.enter(front, State::Open, at, cause);
    }

    /// Begins a new epoch in `to`.
    pub(super) fn enter(&mut self, front: &Front, to: State, at: Time, cause: Cause) {
        let from = self.state;
        if (from, to) == (State::Closed, State::Closed) {
            self.rest(at);
        }
        self.epoch += 1;
        // Only a closed epoch has fast successes of its own. A stray that has not come here yet is archived as one, in
        // whatever epoch it landed; `attend` relies on that.
        let passed = front.fence(self.epoch) as i64;
        self.tally.success += (passed - self.strays).max(0) as u64;
        (self.state, self.since) = (to, at);
        (self.strays, self.hung, self.asked) = (0, 0, false);
        self.run = Run::default();
        self.hint = Time::ZERO;
        self.phase.clear();
        self.window.clear(at);
        if to == State::Closed {
            self.recent = RecentFailures::default();
        }
        self.begin_ramp(matches!(cause, Cause::Recovered { .. }));
        if to != State::Open {
            self.reopen_at = Time::NEVER;
        }
        self.publish(front);
        if from != to {
            self.tally.changes[from as usize][to as usize] += 1;
            let retry_at = match to {
                State::Open if self.is_frozen() => self.due(),
                _ => self.reopen_at,
            };
            let (epoch, shadow) = (self.epoch, self.shadows());
            self.tell(Event::Transition(Transition { from, to, cause, at, epoch, retry_at, shadow }));
        }
    }

    /// When the front must come here whatever happens.
    pub(super) fn due(&self) -> Time {
        let state = match self.state {
            State::Closed => self.window.ends().min(self.ramp_ends()),
            State::Open if self.is_frozen() => Time::NEVER,
            State::Open => self.reopen_at,
            State::HalfOpen => self.phase.next_due(&self.settings).0,
        };
        state.min(self.hold.as_ref().map_or(Time::NEVER, |hold| hold.expires))
    }

    /// Shows the present state to the front.
    pub(super) fn publish(&self, front: &Front) {
        let full = self.state == State::HalfOpen && self.phase.is_full(&self.settings);
        let flags = self.state as u64
            | if full { FULL } else { 0 }
            | match self.mode() {
                Some(Mode::ForcedOpen) => FORCED,
                Some(Mode::Disabled) => DISABLED,
                _ => 0,
            }
            | if self.credit.is_some() { RAMP } else { 0 };
        let share = self.share();
        front.set_share(share);
        let lenient = if flags != 0 && share < WHOLE { LENIENT } else { 0 };
        front.publish(self.epoch, flags | lenient, self.due());
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.listened {
            queue(&mut self.waiting, event);
        }
    }
}

/// A call on its way into the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    pub(super) failed: bool,
    pub(super) slow: bool,
    pub(super) run: RunEffect,
    pub(super) kind: Option<Failure>,
}

/// What a call does to the run of consecutive failures.
#[derive(Clone, Copy, Debug)]
pub(super) enum RunEffect {
    Extend,
    End,
    Keep,
}
