//! The reference: a circuit breaker that keeps lists and takes its time, so that it is plain to see that it is
//! right. One caller, virtual time, no jitter.

mod evidence;
mod leniency;
mod probes;
mod recovery;

use evidence::Evidence;
use fusebox_core::breaker::{
    CancelCountsAs, Config, Mode, ProbeCounts, Rule, RunMode, Settings, SlowCountsAs, State, StreakReset,
    Totals, WaitStrategy, WindowCounts,
};
use fusebox_core::{Failure, Outcome, Reason, Time};
use leniency::Leniency;
use probes::{Fate, Probes};
use recovery::Recoveries;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) began: Time,
    pub(crate) probe: Option<u64>,
    pub(crate) unenforced: bool,
    epoch: u64,
    measured: bool,
    overdue: bool,
}

/// Why a transition happened, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    Tripped(Rule, u64),
    WaitOver,
    Recovered(u32),
    ProbesFailed(u32),
    PhaseLimit,
    Operator,
    OverrideEnded,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) why: Why,
    pub(crate) at: Time,
    pub(crate) retry_at: Time,
}

#[derive(Clone, Copy, PartialEq, PartialOrd, Eq, Ord)]
enum Due {
    Hold,
    Ramp,
    Wait,
    Phase, // wins a tie: a phase that has not closed by its limit is over
    Lease(u64),
}

pub(crate) struct Model {
    config: Config,
    slow: u64,
    lease: u64,
    pub(crate) state: State, // as callers experience it
    pub(crate) epoch: u64,
    pub(crate) since: Time,
    open_until: Time,
    pub(crate) hold: Option<(Mode, Time)>,
    under: (State, Time), // what a ForcedOpen covers
    evidence: Evidence,   // of a closed epoch
    probes: Probes,       // of a half-open phase
    pub(crate) streak: u32,
    last_wait: u64,
    recoveries: Recoveries,
    leniency: Leniency,
    pub(crate) totals: Totals,
    pub(crate) told: Vec<Told>,
}

impl Model {
    #[rustfmt::skip]
    pub(crate) fn new(settings: &Settings, now: Time) -> Model {
        let slow = settings.slow_call_duration().map_or(u64::MAX, |span| span.as_nanos() as u64);
        let (config, lease) = (settings.config().clone(), settings.probe_lease().as_nanos() as u64);
        let (state, never) = (State::Closed, Time::NEVER);
        Model { config, slow, lease, state, epoch: 0, since: now, open_until: never, hold: None, under: (state, never),
            evidence: Evidence::default(), probes: Probes::default(), streak: 0, last_wait: 0,
            recoveries: Recoveries::default(), leniency: Leniency::new(settings),
            totals: Totals::default(), told: vec![] }
    }

    /// A streak ends with a recovery that lasts.
    fn rest(&mut self, at: Time) {
        let over = match self.config.streak_reset {
            StreakReset::AtClose => true,
            StreakReset::AfterWaits(n) => at.nanos_since(self.since) as f64 >= n * self.last_wait as f64,
        };
        if self.state == State::Closed && over {
            self.streak = 0;
        }
    }

    fn enter(&mut self, to: State, why: Why, at: Time, open_until: Time) {
        if to == State::Closed {
            self.rest(at);
        }
        let from = core::mem::replace(&mut self.state, to);
        (self.epoch, self.since, self.open_until) = (self.epoch + 1, at, open_until);
        (self.evidence, self.probes) = (Evidence::default(), Probes::default());
        self.leniency.begin_ramp(&self.config, matches!(why, Why::Recovered(_)));
        if from != to {
            self.totals.changes[from as usize][to as usize] += 1;
            self.told.push(Told { from, to, why, at, retry_at: open_until });
        }
    }

    fn open(&mut self, why: Why, at: Time) {
        self.rest(at);
        if matches!(why, Why::Tripped(..)) {
            self.recoveries.tripped(at, self.streak > 0);
        }
        self.streak += 1;
        self.last_wait = match self.config.wait_in_open.strategy {
            WaitStrategy::Fixed(wait) => wait.as_nanos() as u64,
            WaitStrategy::Exponential { base, multiplier, max } => {
                let grown = (base.as_nanos() as f64 * multiplier.powi(self.streak as i32 - 1)) as u64;
                grown.max(self.evidence.hint.nanos_since(at)).min(max.as_nanos() as u64)
            }
            WaitStrategy::Adaptive { base, max, .. } => {
                let learned = self.recovery();
                let next = learned.and_then(|learned| self.recoveries.next(learned, at));
                let first = learned.unwrap_or(base);
                let grown = first.as_nanos().saturating_mul(1 << (self.streak - 1).min(60));
                let next = next.unwrap_or(Duration::from_nanos(grown.min(max.as_nanos()) as u64));
                let asked = self.evidence.hint.since(at);
                next.clamp(base, max).max(asked).min(max).as_nanos() as u64
            }
        };
        self.enter(State::Open, why, at, at.plus_nanos(self.last_wait));
    }

    /// The next thing that time alone brings about.
    fn next(&self) -> Option<(Time, Due)> {
        let hold = self.hold.map(|(_, expires)| (expires, Due::Hold));
        let wait = (self.state == State::Open && !self.is_frozen()).then_some((self.open_until, Due::Wait));
        let phase = self.probes.limit_at(&self.config).map(|at| (at, Due::Phase));
        let lease = self.probes.first_lease().map(|(probe, ends)| (ends, Due::Lease(probe)));
        let ramp = self.ramp_ends().map(|at| (at, Due::Ramp));
        [hold, wait, phase, lease, ramp].into_iter().flatten().filter(|(at, _)| *at < Time::NEVER).min()
    }

    pub(crate) fn next_due(&self) -> Time {
        self.next().map_or(Time::NEVER, |(at, _)| at)
    }

    /// What every method does first: all that was due happens, each thing at its moment. Then the calls that hang are
    /// judged, since for them time alone can complete the evidence.
    pub(crate) fn observe(&mut self, now: Time) {
        while let Some((at, due)) = self.next().filter(|(at, _)| *at <= now) {
            match due {
                Due::Hold => self.end_hold(at),
                Due::Wait => self.enter(State::HalfOpen, Why::WaitOver, at, Time::NEVER),
                Due::Ramp => self.leniency.begin_ramp(&self.config, false),
                Due::Phase => {
                    self.recoveries.bad(self.since);
                    self.open(Why::PhaseLimit, at);
                }
                Due::Lease(probe) => {
                    self.recoveries.bad(self.since);
                    self.probes.end(probe, at);
                    self.judge_probe(false, at);
                }
            }
        }
        self.rest(now);
        if self.evidence.hung > 0 {
            self.evaluate(now);
        }
    }

    fn evaluate(&mut self, now: Time) {
        if self.state == State::Closed
            && !self.is_frozen()
            && let Some((rule, counted)) = self.evidence.judge(&self.config, now)
        {
            self.open(Why::Tripped(rule, counted), now);
        }
    }

    fn judge_probe(&mut self, good: bool, at: Time) {
        match self.probes.judge(&self.config, good) {
            Fate::Reopen(bad) => self.open(Why::ProbesFailed(bad), at),
            Fate::Close(good) => self.enter(State::Closed, Why::Recovered(good), at, Time::NEVER),
            Fate::Undecided => {}
        }
    }

    pub(crate) fn admit(&mut self, key: u64, now: Time) -> Result<Ticket, (Reason, Time)> {
        self.observe(now);
        let full = self.state == State::HalfOpen && self.probes.are_all_out(&self.config);
        let unenforced =
            Ticket { began: now, probe: None, unenforced: true, epoch: 0, measured: false, overdue: false };
        if self.state == State::HalfOpen && !full && !self.shadows() && self.spares(key) {
            return Ok(unenforced);
        }
        if self.state == State::Closed
            && let Some(share) = self.ramp_share(now)
            && !self.leniency.takes_part(share)
            && !self.spares(key)
        {
            self.totals.rejected += 1;
            self.totals.recovering += 1;
            return Err((Reason::Recovering, self.ramp_ends().expect("a ramp is under way")));
        }
        if self.state == State::Open || full {
            if self.spares(key) {
                return Ok(unenforced);
            }
            self.totals.rejected += 1;
            let open = if self.hold.is_some() { Reason::ForcedOpen } else { Reason::Open };
            return Err((if full { Reason::HalfOpenFull } else { open }, self.retry_at()));
        }
        let probe =
            (self.state == State::HalfOpen).then(|| self.probes.begin(now, now.plus_nanos(self.lease)));
        let measured = !self.hold.is_some_and(|(mode, _)| mode == Mode::Disabled);
        Ok(Ticket { began: now, probe, unenforced: false, epoch: self.epoch, measured, overdue: false })
    }

    pub(crate) fn overdue(&mut self, ticket: &mut Ticket, now: Time) {
        self.observe(now);
        let counts =
            ticket.epoch == self.epoch && ticket.probe.is_none() && ticket.measured && !ticket.overdue;
        if counts && self.config.hung_calls && now.nanos_since(ticket.began) >= self.slow {
            ticket.overdue = true;
            self.evidence.hung += 1;
            self.evidence.run += 1;
            self.evaluate(now);
        }
    }

    pub(crate) fn settle(&mut self, ticket: Ticket, told: Outcome, now: Time) {
        self.observe(now);
        if !ticket.measured {
            self.totals.late += u64::from(ticket.unenforced);
            return;
        }
        if ticket.epoch != self.epoch || ticket.probe.is_some_and(|probe| !self.probes.end(probe, now)) {
            self.totals.late += 1;
            return;
        }
        let slow = now.nanos_since(ticket.began) >= self.slow && told != Outcome::Ignored;
        let slow_fails = slow && self.config.slow_counts_as == SlowCountsAs::Failure;
        let cancel_fails = self.config.cancel_counts_as == CancelCountsAs::Failure;
        let outcome = match told {
            Outcome::Success if slow_fails => Outcome::Failure(Failure::Slow),
            Outcome::Cancelled if cancel_fails => Outcome::Failure(Failure::Cancelled),
            told => told,
        };
        let (failed, succeeded) = (matches!(outcome, Outcome::Failure(_)), outcome == Outcome::Success);
        let totals = &mut self.totals;
        totals.success += u64::from(succeeded);
        totals.failure += u64::from(failed);
        totals.ignored += u64::from(outcome == Outcome::Ignored);
        totals.cancelled += u64::from(outcome == Outcome::Cancelled);
        totals.slow += u64::from(slow);
        let overloaded = match outcome {
            Outcome::Failure(Failure::Overloaded { retry_after_secs }) => {
                let asked = now.plus_nanos(u64::from(retry_after_secs) * 1_000_000_000);
                self.evidence.hint = self.evidence.hint.max(asked);
                true
            }
            _ => false,
        };
        let counts = failed || slow || succeeded;
        if ticket.probe.is_some() && counts {
            let good = succeeded && !slow;
            if good {
                self.recoveries.good(ticket.began)
            } else {
                self.recoveries.bad(ticket.began)
            }
            return self.judge_probe(succeeded && !slow, now);
        }
        self.evidence.hung -= u32::from(ticket.overdue);
        if succeeded {
            self.evidence.run = 0;
        } else if counts && !ticket.overdue && !overloaded {
            self.evidence.run += 1;
        }
        if counts {
            self.evidence.record(now, failed || slow_fails, slow);
            self.evaluate(now);
        }
    }

    /// A new hold ends an earlier one first, at the same moment.
    pub(crate) fn hold(&mut self, mode: Mode, expires: Time, now: Time) {
        self.observe(now);
        self.end_hold(now);
        self.under = (self.state, self.open_until);
        self.hold = Some((mode, expires));
        match mode {
            Mode::ForcedOpen => self.enter(State::Open, Why::Operator, now, expires),
            Mode::Shadow => {}
            Mode::ForcedClosed if self.state == State::Closed => {
                self.leniency.begin_ramp(&self.config, false)
            }
            Mode::ForcedClosed | Mode::Disabled => self.enter(State::Closed, Why::Operator, now, Time::NEVER),
        }
    }

    pub(crate) fn release(&mut self, now: Time) {
        self.observe(now);
        self.end_hold(now);
    }

    fn end_hold(&mut self, at: Time) {
        let (to, until) = match (self.hold.take().map(|(mode, _)| mode), self.under) {
            (None | Some(Mode::ForcedClosed | Mode::Shadow), _) => return,
            (Some(Mode::ForcedOpen), (State::Open, until)) => (State::Open, until.max(at)),
            (Some(Mode::ForcedOpen), (State::HalfOpen, _)) => (State::Open, at),
            (Some(_), _) => (State::Closed, Time::NEVER),
        };
        self.enter(to, Why::OverrideEnded, at, until);
    }

    pub(crate) fn reset(&mut self, now: Time) {
        self.observe(now);
        (self.hold, self.streak) = (None, 0);
        self.enter(State::Closed, Why::Operator, now, Time::NEVER);
    }

    /// When callers may be admitted again, or when they will know more.
    pub(crate) fn retry_at(&self) -> Time {
        let full = self.state == State::HalfOpen && self.probes.are_all_out(&self.config);
        let refuses = !self.shadows() && (self.state == State::Open || full);
        if refuses { self.next_due() } else { Time::NEVER }
    }

    pub(crate) fn counts(&self, now: Time) -> (WindowCounts, u32, u32, ProbeCounts) {
        let seen = &self.evidence;
        (seen.window(&self.config, now), seen.run, seen.hung, self.probes.counts())
    }
}
