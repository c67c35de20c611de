//! One call's walk through a pipeline.
//!
//! A [`Flow`] is told what happened and asked what to do next; it never does anything itself. The blocking driver,
//! the async and Tower drivers, the proxy and the simulator all drive this one walk, so there is no second call path:
//!
//! ```text
//! inward:   each stage admits or refuses; a refusal unwinds what was taken
//!     Step::Call(try)       the driver makes the attempt
//!     told(try, verdict)    … and says what came of it
//! outward:  each stage settles, innermost first; a retry turns the walk inward again
//!     Step::Wait(until)     backoff, timeout, deadline, overdue: one timer
//!     Step::Cancel(try)     the attempt's time is over; the driver drops it
//!     Step::Finish(finish)  whose result it is, and whether a fallback takes its place
//! ```
//!
//! A flow is a few words on the driver's stack. It allocates nothing and holds at most one ticket; a driver whose
//! caller goes away calls [`Flow::abandon`].

mod carried;
mod step;
mod tail;

pub use step::{End, Finish, Step, Try};
pub use tail::Tail;

use crate::breaker::{CircuitBreaker, State, Watched};
use crate::pipeline::{Pipeline, Stage};
use crate::retry::{Budget, Settings};
use crate::{Outcome, SharedRng, Time, Verdict};
use carried::Carried;
use core::time::Duration;

/// Where a flow finds the circuit of an endpoint.
pub trait Circuits {
    /// The circuit of the `endpoint`-th endpoint.
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker;
}

impl Circuits for CircuitBreaker {
    #[inline(always)]
    fn circuit(&self, _: usize) -> &CircuitBreaker {
        self
    }
}

/// What a driver lends a flow for one step.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// The present moment.
    pub now: Time,
    /// For backoff's jitter.
    pub rng: &'a SharedRng,
}

/// One call's walk through a pipeline.
#[derive(Debug)]
pub struct Flow {
    at: At,
    depth: usize,
    replayable: bool,
    watching: Watching,
    /// An attempt's clocks are running.
    running: bool,
    /// The response head has come; the verdict on the body is open.
    headed: bool,
    held: Option<Watched>,
    /// The walk ended with a good response head: `held` waits to be taken into a tail, to be settled by then.
    settle_by: Option<Time>,
    endpoint: usize,
    /// Endpoints that the balancer chooses from; 1 without one.
    endpoints: usize,
    /// Endpoints whose circuits have refused this attempt.
    refused_by: usize,
    attempts: u32,
    began: Time,
    /// The longest attempt under the held ticket, in nanoseconds.
    longest: u64,
    timeout: u64,
    deadline: Time,
    cut_at: Time,
    overdue_at: Time,
    /// When a probe that waits for its own caller gives its place back; a little before its lease is over.
    release_at: Time,
    last: Option<Carried>,
    fallback: bool,
}

/// Who notices that an attempt is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// The driver, by its timer.
    Driver,
    /// The breaker, from the attempt's beginning.
    Breaker,
    /// The breaker, once the driver has asked what to do while the attempt is in flight.
    WhenAsked,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Start,
    Inward,
    Calling,
    Sleeping(Time),
    Outward(Carried),
}

impl Flow {
    /// A walk that has not begun. `replayable` says whether an attempt that ran out of time may be made again; for every
    /// other failure its verdict says so.
    #[inline(always)]
    pub fn new(replayable: bool) -> Self {
        Flow {
            at: At::Start,
            depth: 0,
            replayable,
            watching: Watching::Driver,
            running: false,
            headed: false,
            held: None,
            settle_by: None,
            endpoint: 0,
            endpoints: 1,
            refused_by: 0,
            attempts: 0,
            began: Time::ZERO,
            longest: 0,
            timeout: u64::MAX,
            deadline: Time::NEVER,
            cut_at: Time::NEVER,
            overdue_at: Time::NEVER,
            release_at: Time::NEVER,
            last: None,
            fallback: false,
        }
    }

    /// A walk whose driver cannot be woken while an attempt runs: the breaker watches for hung calls itself.
    #[inline(always)]
    pub fn blocking(replayable: bool) -> Self {
        Flow { watching: Watching::Breaker, ..Flow::new(replayable) }
    }

    /// A walk whose driver has no timer, but can ask while an attempt is in flight: from then on the breaker watches. An
    /// attempt that is over at once was never worth watching.
    #[inline(always)]
    pub fn without_timer(replayable: bool) -> Self {
        Flow { watching: Watching::WhenAsked, ..Flow::new(replayable) }
    }

    /// Brings the call's deadline forward to `at`, for callers that bring one of their own.
    pub fn due_by(&mut self, at: Time) {
        self.deadline = self.deadline.min(at);
    }

    /// The attempt in flight waited `span` for its own caller, who is slow to send the request: its clocks do not count
    /// that. The call's deadline does. A probe that has waited for its caller through most of its lease is none any more:
    /// it gives its place back, goes on, and says nothing of the dependency.
    pub fn excuse(&mut self, span: Duration) {
        self.began = self.began + span;
        (self.cut_at, self.overdue_at) = (self.cut_at + span, self.overdue_at + span);
    }

    /// When the call must be over; known once the walk has begun, [`Time::NEVER`] without a deadline.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Whether there is nothing to give back: the walk has not begun or is over, or it sleeps with nothing held.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        self.held.is_none()
    }

    /// The attempt in flight has come to this. What is told of another attempt comes too late to matter.
    #[inline(always)]
    pub fn told(&mut self, of: Try, verdict: Verdict) {
        if of.attempt == self.attempts {
            self.broke(verdict);
        }
    }

    /// The attempt in flight, whichever it is, has come to this.
    #[inline(always)]
    pub fn broke(&mut self, verdict: Verdict) {
        if matches!(self.at, At::Calling) {
            self.at = At::Outward(Carried::Verdict(verdict));
        }
    }

    /// The attempt's response head has come. After a good one the body's fate is still open: the walk ends, and
    /// [`Flow::tail`] carries the ticket on.
    #[inline(always)]
    pub fn told_head(&mut self, of: Try, verdict: Verdict) {
        self.told(of, verdict);
        self.headed = matches!(self.at, At::Outward(Carried::Verdict(_)));
    }

    /// What is left to settle when the body ends, after a walk that finished with a good response head.
    pub fn tail(&mut self) -> Option<Tail> {
        let settle_by = self.settle_by.take()?;
        let (endpoint, elapsed) = (self.endpoint, self.longest);
        self.held.take().map(|held| Tail { held, endpoint, elapsed, settle_by })
    }

    /// What to do next. Ask after every input, until it answers [`Step::Wait`] or [`Step::Finish`].
    #[inline(always)]
    pub fn next(&mut self, pipeline: &Pipeline, circuits: &impl Circuits, cx: &Cx<'_>) -> Step {
        // The walk through a breaker alone, in and out, is a few instructions when it is not written as a loop.
        match self.at {
            At::Start if pipeline.is_breaker_alone() => {
                self.at = At::Inward;
                self.enter(&Stage::Breaker, circuits, cx);
                match self.at {
                    At::Outward(carried) => self.finish(carried),
                    _ => Step::Call(self.begin(circuits, cx.now)),
                }
            }
            At::Outward(carried) if self.depth == 1 && pipeline.is_breaker_alone() => {
                self.end_attempt(cx.now);
                self.depth = 0;
                self.settle(circuits, carried.outcome(), cx.now);
                self.finish(carried)
            }
            _ => self.turn(pipeline.stages(), circuits, cx),
        }
    }

    #[inline(always)]
    fn finish(&self, carried: Carried) -> Step {
        Step::Finish(Finish { end: carried.end(), fallback: self.fallback })
    }

    #[inline(never)]
    fn turn(&mut self, stages: &[Stage], circuits: &impl Circuits, cx: &Cx<'_>) -> Step {
        loop {
            match self.at {
                At::Start => self.at = At::Inward,
                At::Inward => match stages.get(self.depth) {
                    Some(stage) => self.enter(stage, circuits, cx),
                    None => return Step::Call(self.begin(circuits, cx.now)),
                },
                At::Calling => match self.wait_for_attempt(circuits, cx.now) {
                    Some(step) => return step,
                    None => {
                        let watch = self.overdue_at.min(self.release_at);
                        return Step::Wait(self.deadline.min(self.cut_at).min(watch));
                    }
                },
                At::Sleeping(until) => match self.last {
                    Some(last) if cx.now >= self.deadline || !self.is_current(circuits, cx.now) => {
                        self.at = At::Outward(last);
                    }
                    _ if cx.now >= until => self.at = At::Inward,
                    _ => return Step::Wait(until.min(self.deadline)),
                },
                At::Outward(carried) => match self.depth.checked_sub(1) {
                    Some(depth) => {
                        self.end_attempt(cx.now);
                        self.depth = depth;
                        self.leave(&stages[depth], carried, circuits, cx);
                    }
                    None => return self.finish(carried),
                },
            }
        }
    }

    #[inline(always)]
    fn enter(&mut self, stage: &Stage, circuits: &impl Circuits, cx: &Cx<'_>) {
        match stage {
            Stage::Fallback(_) => {}
            // Fixed when the call first comes here: neither a retry nor another endpoint gives it more time.
            Stage::Deadline(span) => self.deadline = self.deadline.min(cx.now.plus_nanos(*span)),
            Stage::Pick(robin) => {
                self.endpoints = robin.endpoints();
                self.endpoint = if self.attempts == 0 { robin.pick() } else { self.next_endpoint() };
            }
            Stage::Retry { budget, .. } => {
                if let (0, Some(budget)) = (self.attempts, budget) {
                    budget.first_try(cx.now);
                }
            }
            Stage::Timeout(span) => self.timeout = *span,
            // No time is left for an attempt: a ticket would be evidence of nothing.
            Stage::Breaker if cx.now >= self.deadline => {
                self.at = At::Outward(Carried::Deadline { failure: false });
                return;
            }
            Stage::Breaker => {
                match circuits.circuit(self.endpoint).admit(cx.now) {
                    Ok(ticket) => self.held = Some(Watched::by_driver(ticket)),
                    Err(rejection) => {
                        self.at = At::Outward(Carried::Rejected(rejection));
                        return;
                    }
                }
                self.longest = 0;
            }
        }
        self.depth += 1;
    }

    #[inline(always)]
    fn begin(&mut self, circuits: &impl Circuits, now: Time) -> Try {
        self.attempts += 1;
        self.began = now;
        (self.running, self.headed) = (true, false);
        self.cut_at = now.plus_nanos(self.timeout);
        let circuit = circuits.circuit(self.endpoint);
        if let Some(held) = &mut self.held {
            held.restart(now);
            match self.watching {
                Watching::Driver if !held.ticket().is_probe() => {
                    self.overdue_at = now.plus_nanos(circuit.slow_nanos());
                }
                Watching::Driver => self.release_at = now + circuit.settings().probe_lease().mul_f64(0.95),
                Watching::Breaker => circuit.keep_watch(held),
                Watching::WhenAsked => {}
            }
        }
        self.at = At::Calling;
        Try { endpoint: self.endpoint, attempt: self.attempts }
    }

    /// Looks after an attempt in flight.
    fn wait_for_attempt(&mut self, circuits: &impl Circuits, now: Time) -> Option<Step> {
        let attempt = Try { endpoint: self.endpoint, attempt: self.attempts };
        let circuit = circuits.circuit(self.endpoint);
        if now >= self.cut_at {
            self.at = At::Outward(Carried::TimedOut);
            return Some(Step::Cancel(attempt));
        }
        if now >= self.deadline {
            let enough = self.timeout.min(circuit.slow_nanos());
            let failure = now.nanos_since(self.began) >= enough;
            self.at = At::Outward(Carried::Deadline { failure });
            return Some(Step::Cancel(attempt));
        }
        if self.watching == Watching::WhenAsked
            && let Some(held) = &mut self.held
        {
            circuit.keep_watch(held);
        }
        if now >= self.release_at {
            self.release_at = Time::NEVER;
            // The endpoint itself had less than half of it.
            if now.since(self.began) < circuit.settings().probe_lease() / 2 {
                self.settle(circuits, Outcome::Ignored, now);
            }
        }
        if now >= self.overdue_at {
            self.overdue_at = Time::NEVER;
            if let Some(held) = &mut self.held {
                circuit.overdue(held.ticket_mut(), now);
            }
        }
        None
    }

    /// Stops the attempt's clocks. Idempotent.
    #[inline(always)]
    fn end_attempt(&mut self, now: Time) {
        if self.running {
            self.running = false;
            self.longest = self.longest.max(now.nanos_since(self.began));
            (self.cut_at, self.overdue_at, self.release_at) = (Time::NEVER, Time::NEVER, Time::NEVER);
        }
    }

    #[inline(always)]
    fn leave(&mut self, stage: &Stage, carried: Carried, circuits: &impl Circuits, cx: &Cx<'_>) {
        match stage {
            Stage::Fallback(on) => self.fallback = carried.falls_back(*on),
            Stage::Pick(_) => self.leave_pick(carried),
            Stage::Breaker => self.settle(circuits, carried.outcome(), cx.now),
            Stage::Retry { settings, budget } => {
                self.leave_retry(settings, budget.as_deref(), carried, circuits, cx);
            }
            Stage::Deadline(_) | Stage::Timeout(_) => {}
        }
    }

    #[inline(always)]
    fn settle(&mut self, circuits: &impl Circuits, outcome: Outcome, now: Time) {
        let Some(held) = &mut self.held else { return };
        let circuit = circuits.circuit(self.endpoint);
        held.restart(now.minus_nanos(self.longest));
        if self.headed && outcome == Outcome::Success {
            self.settle_by = Some(circuit.hear(held, now));
        } else if let Some(held) = self.held.take() {
            circuit.settle_watched(held, outcome, now);
        }
    }

    /// Another endpoint, when this one's circuit rejects; the earliest way out, when all do.
    fn leave_pick(&mut self, carried: Carried) {
        let Carried::Rejected(rejection) = carried else { return };
        let earliest = match self.last {
            Some(Carried::Rejected(other)) if other.retry_at < rejection.retry_at => other,
            _ => rejection,
        };
        self.refused_by += 1;
        if self.refused_by < self.endpoints {
            if !matches!(self.last, Some(Carried::Verdict(_) | Carried::TimedOut)) {
                self.last = Some(Carried::Rejected(earliest));
            }
            self.endpoint = self.next_endpoint();
            self.depth += 1;
            self.at = At::Inward;
        } else {
            self.at = At::Outward(Carried::Rejected(earliest));
        }
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
            Carried::Rejected(_) => {
                // A retry that no circuit admits leaves the result that was there.
                if let Some(last @ (Carried::Verdict(_) | Carried::TimedOut)) = self.last {
                    self.at = At::Outward(last);
                }
                return;
            }
            _ => return,
        };
        if self.attempts >= settings.config().max_attempts || !self.may_return(circuits, cx.now) {
            return;
        }
        // A wait longer than any of ours is for the caller to decide about.
        if asked.is_some_and(|wait| wait > settings.config().backoff.max) {
            return;
        }
        let backoff = settings.config().backoff.wait(self.attempts, cx.rng);
        let until = cx.now.plus_nanos(backoff).max(asked.map_or(cx.now, |wait| cx.now + wait));
        if until >= self.deadline || !budget.is_none_or(|budget| budget.withdraw(cx.now)) {
            return;
        }
        if let Some(held) = &mut self.held {
            circuits.circuit(self.endpoint).rest(held);
        }
        self.last = Some(carried);
        self.refused_by = 0;
        self.depth += 1;
        self.at = At::Sleeping(until);
    }

    /// Whether a circuit would have another attempt: not from a probe, not under a ticket whose epoch is over, and
    /// not when it is open and there is nowhere else to go.
    fn may_return(&self, circuits: &impl Circuits, now: Time) -> bool {
        match &self.held {
            Some(held) => !held.ticket().is_probe() && self.is_current(circuits, now),
            None if self.endpoints == 1 => circuits.circuit(self.endpoint).state(now) != State::Open,
            None => (0..self.endpoints).any(|i| circuits.circuit(i).state(now) != State::Open),
        }
    }

    /// Whether the ticket, if one is held, is still good for an attempt.
    fn is_current(&self, circuits: &impl Circuits, now: Time) -> bool {
        self.held.as_ref().is_none_or(|held| circuits.circuit(self.endpoint).honours(held.ticket(), now))
    }

    fn next_endpoint(&self) -> usize {
        (self.endpoint + 1) % self.endpoints
    }

    /// The caller is gone: gives everything back. An attempt in flight and a body that nobody reads count as
    /// cancelled, a call whose last attempt has ended as what that one was.
    pub fn abandon(&mut self, circuits: &impl Circuits, now: Time) {
        let outcome = match (self.at, self.last) {
            (At::Outward(Carried::Verdict(Verdict::SUCCESS)), _) if self.headed => Outcome::Cancelled,
            (At::Outward(carried), _) | (At::Sleeping(_), Some(carried)) => carried.outcome(),
            _ => Outcome::Cancelled,
        };
        self.end_attempt(now);
        self.headed = false;
        self.settle(circuits, outcome, now);
    }
}
