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
//!     Step::Wait(until)     backoff, a place in a queue, timeout, deadline, overdue, hedge delay: one timer
//!     Step::Cancel(try)     the attempt's time is over, or another one won; the driver drops it
//!     Step::Finish(finish)  whose result it is, and whether a fallback takes its place
//! ```
//!
//! A flow is a few words on the driver's stack and allocates nothing; a driver whose caller goes away calls
//! [`Flow::abandon`]. With hedging there may be two attempts in flight: the walk forks at the hedge, each branch goes
//! on alone, and they join where they parted.

mod attempt;
mod branch;
mod carried;
mod fork;
mod inward;
mod outward;
mod step;
mod tail;

pub use step::{End, Finish, Step, Try};
pub use tail::Tail;

use crate::breaker::CircuitBreaker;
use crate::bulkhead::Place;
use crate::limiter::Grant;
use crate::pipeline::{Pipeline, Stage};
use crate::scope::Scope;
use crate::{Ask, Outcome, SharedRng, Time, Verdict};
use branch::{At, Branch, Side};
use carried::Carried;
use core::task::Waker;
use core::time::Duration;

/// Where a flow finds the circuit of an endpoint.
pub trait Circuits {
    /// The circuit of the `endpoint`-th endpoint.
    fn circuit(&self, endpoint: usize) -> &CircuitBreaker;

    /// The circuit of the whole service, where there are scopes.
    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        None
    }

    /// The key and the circuit of the call's tenant, where there are scopes and the call has one.
    #[inline(always)]
    fn tenant(&self) -> Option<(u64, &CircuitBreaker)> {
        None
    }
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
    /// For backoff's jitter and the balancer's picks.
    pub rng: &'a SharedRng,
    /// Woken when a place comes free for a call that waits in a bulkhead's queue. A driver whose pipeline has no bulkhead
    /// lends [`Waker::noop`].
    pub waker: &'a Waker,
}

/// One call's walk through a pipeline.
#[derive(Debug)]
pub struct Flow {
    ask: Ask,
    replayable: bool,
    /// A second attempt may go beside one in flight, as far as the driver knows.
    forkable: bool,
    /// Whether it may wait for its turn or for a place.
    patient: bool,
    watching: Watching,
    /// On its way through more than a breaker.
    walking: bool,
    fallback: bool,
    /// Attempts begun.
    attempts: u32,
    /// Of them, those that were no hedges.
    rounds: u32,
    /// Endpoints that the balancer chooses from; 1 without one.
    endpoints: usize,
    timeout: u64,
    deadline: Time,
    grant: Option<Grant>,
    /// The stages from here on are walked by each branch alone; 0 where there is no hedging.
    fork: usize,
    /// How long an attempt is in flight before a second one goes beside it, in nanoseconds.
    hedge_after: u64,
    hedge_at: Time,
    main: Branch,
    hedge: Option<Branch>,
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

/// What has become of a branch that was moved on as far as it goes.
enum Moved {
    Ask(Step),
    Waits(Time),
    /// It has reached the place where it parted from the other.
    Joined,
}

impl Flow {
    /// A walk that has not begun. `replayable` says whether the call may be made more than once: whether an attempt that
    /// ran out of time may be made again, and whether one may be hedged. For every other failure its verdict says so.
    #[inline(always)]
    pub fn new(replayable: bool) -> Self {
        Flow {
            ask: Ask::default(),
            replayable,
            forkable: true,
            patient: true,
            watching: Watching::Driver,
            walking: false,
            fallback: false,
            attempts: 0,
            rounds: 0,
            endpoints: 1,
            timeout: u64::MAX,
            deadline: Time::NEVER,
            grant: None,
            fork: 0,
            hedge_after: u64::MAX,
            hedge_at: Time::NEVER,
            main: Branch::new(),
            hedge: None,
        }
    }

    /// A walk whose driver cannot be woken while an attempt runs: the breaker watches for hung calls itself, and
    /// nothing is hedged.
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

    /// What the call says of itself to the policies that admit it.
    #[inline(always)]
    pub fn ask(&mut self, ask: Ask) {
        self.ask = ask;
    }

    /// The call waits for no turn and no place: its driver cannot keep it so long. What would have it wait refuses.
    pub fn hurry(&mut self) {
        self.patient = false;
    }

    /// Brings the call's deadline forward to `at`, for callers that bring one of their own.
    pub fn due_by(&mut self, at: Time) {
        self.deadline = self.deadline.min(at);
    }

    /// What a driver has learnt of making the call more than once: whether it may be made `again`, and whether at this
    /// moment a second attempt may go `beside` one in flight. A body that is still on its way from the caller lets no
    /// other attempt go beside; one too large to be kept lets none follow. A call that began as not replayable is never hedged.
    pub fn replays(&mut self, again: bool, beside: bool) {
        (self.replayable, self.forkable) = (again, again && beside);
    }

    /// The attempts in flight waited `span` for their own caller, who is slow to send the request: their clocks do not
    /// count that. The call's deadline does. A probe that has waited for its caller through most of its lease is none any
    /// more: it gives its place back, goes on, and says nothing of the dependency.
    pub fn excuse(&mut self, span: Duration) {
        for branch in [Some(&mut self.main), self.hedge.as_mut()].into_iter().flatten() {
            branch.began = branch.began + span;
            (branch.cut_at, branch.overdue_at) = (branch.cut_at + span, branch.overdue_at + span);
        }
    }

    /// When the call must be over; known once the walk has begun, [`Time::NEVER`] without a deadline.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Whether it waits in a bulkhead's queue, so that being woken is a reason to ask again.
    pub fn is_queued(&self) -> bool {
        let queued = |branch: &Branch| matches!(branch.at, At::Parked(_));
        queued(&self.main) || self.hedge.as_ref().is_some_and(queued)
    }

    /// The endpoint of the last attempt, or the one that was chosen for the next.
    pub fn endpoint(&self) -> usize {
        self.main.endpoint
    }

    /// Attempts begun so far, hedges included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether there is nothing to give back: the walk has not begun or is over.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        self.main.held.is_none() && !self.walking
    }

    /// The thread pool's place of the attempt just asked for, for the job that makes it: the place comes free when the job
    /// really ends, however long after its caller has given up.
    pub fn take_place(&mut self, of: Try) -> Option<Place> {
        match &mut self.hedge {
            Some(hedge) if hedge.attempt == of.attempt => hedge.pool.take(),
            _ => self.main.pool.take(),
        }
    }

    /// The attempt has come to this. What is told of an attempt that is not in flight comes too late to matter.
    #[inline(always)]
    pub fn told(&mut self, of: Try, verdict: Verdict) {
        if of.attempt == self.main.attempt {
            if self.main.is_calling() {
                self.main.at = At::Outward(Carried::Verdict(verdict));
            }
        } else if let Some(hedge) = &mut self.hedge
            && of.attempt == hedge.attempt
            && hedge.is_calling()
        {
            hedge.at = At::Outward(Carried::Verdict(verdict));
        }
    }

    /// What an attempt was that [`Step::Cancel`] has just named: a timeout, or cancelled where another one won or the call's
    /// deadline came too early to blame it.
    pub fn given_up(&self, of: Try) -> Outcome {
        let branches = [Some(&self.main), self.hedge.as_ref()];
        let branch = branches.into_iter().flatten().find(|branch| branch.attempt == of.attempt);
        match branch.map(|branch| branch.at) {
            Some(At::Outward(carried)) => carried.outcome(),
            _ => Outcome::Cancelled,
        }
    }

    /// The attempt's response head has come. After a good one the body's fate is still open: the walk ends, and
    /// [`Flow::tail`] carries on what is held.
    #[inline(always)]
    pub fn told_head(&mut self, of: Try, verdict: Verdict) {
        self.told(of, verdict);
        if of.attempt == self.main.attempt {
            self.main.headed = matches!(self.main.at, At::Outward(Carried::Verdict(_)));
        } else if let Some(hedge) = &mut self.hedge {
            hedge.headed = matches!(hedge.at, At::Outward(Carried::Verdict(_)));
        }
    }

    /// What is left to settle when the body ends, after a walk that finished with a good response head.
    pub fn tail(&mut self) -> Option<Tail> {
        let main = &mut self.main;
        let settle_by = main.settle_by.take()?;
        self.walking = false;
        let (endpoint, elapsed) = (main.endpoint, main.longest);
        let picked = core::mem::take(&mut main.picked);
        let (held, wide, place) = (main.held.take(), main.wide.take(), main.place.take());
        Some(Tail { held, wide, place, picked, endpoint, elapsed, settle_by })
    }

    /// What to do next. Ask after every input, until it answers [`Step::Wait`] or [`Step::Finish`].
    #[inline(always)]
    pub fn next(&mut self, pipeline: &Pipeline, circuits: &impl Circuits, cx: &Cx<'_>) -> Step {
        // The walk through a breaker alone, in and out, is a few instructions when it is not written as a loop.
        match self.main.at {
            At::Start if pipeline.is_breaker_alone() => {
                self.main.at = At::Inward;
                self.enter(Side::Main, &Stage::Breaker, circuits, cx);
                match self.main.at {
                    At::Outward(carried) => self.finish(carried),
                    _ => Step::Call(self.begin(Side::Main, circuits, cx.now)),
                }
            }
            At::Outward(carried) if self.main.depth == 1 && pipeline.is_breaker_alone() => {
                self.main.end_attempt(cx.now);
                self.main.depth = 0;
                self.settle(Side::Main, circuits, carried.outcome(), cx.now);
                self.finish(carried)
            }
            at => {
                if let At::Start = at {
                    // Fixed when the call begins: neither waiting, nor a retry, nor another endpoint gives it more time.
                    self.deadline = self.deadline.min(cx.now.plus_nanos(pipeline.deadline_nanos()));
                }
                self.turn(pipeline.stages(), circuits, cx)
            }
        }
    }

    #[inline(always)]
    fn finish(&self, carried: Carried) -> Step {
        let (endpoint, scope) = match carried {
            Carried::Rejected(_, of) => (of.endpoint(), of.scope),
            _ => (self.main.endpoint, Scope::Endpoint),
        };
        Step::Finish(Finish { end: carried.end(), fallback: self.fallback, endpoint, scope })
    }

    #[inline(never)]
    fn turn(&mut self, stages: &[Stage], circuits: &impl Circuits, cx: &Cx<'_>) -> Step {
        loop {
            let main = match self.advance(Side::Main, stages, circuits, cx) {
                Moved::Ask(step) => return step,
                Moved::Waits(until) => until,
                Moved::Joined => match self.join_main(stages, circuits, cx) {
                    Some(step) => return step,
                    None => continue,
                },
            };
            let hedge = match &self.hedge {
                None => Time::NEVER,
                Some(_) => match self.advance(Side::Hedge, stages, circuits, cx) {
                    Moved::Ask(step) => return step,
                    Moved::Waits(until) => until,
                    Moved::Joined => match self.join_hedge(stages, circuits, cx) {
                        Some(step) => return step,
                        None => continue,
                    },
                },
            };
            if cx.now >= self.hedge_at && self.forks(stages, cx.now) {
                continue;
            }
            return Step::Wait(main.min(hedge).min(self.hedge_at));
        }
    }

    /// Moves a branch on as far as it goes by itself.
    #[inline(always)]
    fn advance(&mut self, side: Side, stages: &[Stage], circuits: &impl Circuits, cx: &Cx<'_>) -> Moved {
        loop {
            let branch = self.branch(side);
            let (at, depth) = (branch.at, branch.depth);
            match at {
                At::Start => (self.main.at, self.walking) = (At::Inward, true),
                At::Inward => match stages.get(depth) {
                    Some(stage) => self.enter(side, stage, circuits, cx),
                    None => return Moved::Ask(Step::Call(self.begin(side, circuits, cx.now))),
                },
                At::Limited(until) if cx.now >= self.deadline.min(until) => self.go(side, cx.now),
                At::Limited(until) => return Moved::Waits(until.min(self.deadline)),
                At::Parked(parked) => {
                    self.resume(side, &stages[depth], parked, cx);
                    if let At::Parked(parked) = self.branch(side).at {
                        return Moved::Waits(parked.until().min(self.deadline));
                    }
                }
                At::Calling => match self.wait_for_attempt(side, circuits, cx.now) {
                    Some(step) => return Moved::Ask(step),
                    None => {
                        let branch = self.branch(side);
                        let watch = branch.overdue_at.min(branch.release_at);
                        let until = branch.cut_at.min(watch);
                        return Moved::Waits(until.min(self.deadline));
                    }
                },
                At::Sleeping(until) => match self.main.last {
                    Some(last) if cx.now >= self.deadline || !self.is_current(circuits, cx.now) => {
                        self.main.at = At::Outward(last);
                    }
                    _ if cx.now >= until => self.main.at = At::Inward,
                    _ => return Moved::Waits(until.min(self.deadline)),
                },
                At::Outward(carried) => {
                    let branch = self.branch(side);
                    branch.end_attempt(cx.now);
                    branch.keep_for_body(carried);
                    if self.hedge.is_some() && depth == self.fork {
                        return Moved::Joined;
                    }
                    self.hedge_at = Time::NEVER;
                    match depth.checked_sub(1) {
                        Some(depth) => {
                            self.branch(side).depth = depth;
                            self.leave(side, &stages[depth], carried, circuits, cx);
                        }
                        None => {
                            self.walking = self.main.settle_by.is_some();
                            return Moved::Ask(self.finish(carried));
                        }
                    }
                }
                At::Spent(_) => return Moved::Waits(Time::NEVER),
            }
        }
    }

    /// Until when the call may wait to be admitted.
    #[inline(always)]
    fn latest(&self, now: Time) -> Time {
        if self.patient { self.deadline } else { now }
    }

    #[inline(always)]
    fn branch(&mut self, side: Side) -> &mut Branch {
        match &mut self.hedge {
            Some(hedge) if side == Side::Hedge => hedge,
            _ => &mut self.main,
        }
    }

    /// The caller is gone: gives everything back. Attempts in flight and a body that nobody reads count as
    /// cancelled, a call whose last attempt has ended as what that one was.
    pub fn abandon(&mut self, pipeline: &Pipeline, circuits: &impl Circuits, now: Time) {
        let stages = pipeline.stages();
        if self.hedge.is_some() {
            self.unwind(Side::Hedge, self.fork, Carried::Gone, stages, circuits, now);
            self.hedge = None;
        }
        // A tail that nobody took.
        if let Some(tail) = self.tail() {
            return tail.end(pipeline, circuits, Outcome::Cancelled, now);
        }
        let carried = match (self.main.at, self.main.last) {
            (At::Outward(Carried::Verdict(Verdict::SUCCESS)), _) if self.main.headed => Carried::Gone,
            (At::Outward(carried) | At::Spent(carried), _) | (At::Sleeping(_), Some(carried)) => carried,
            _ => Carried::Gone,
        };
        self.main.headed = false;
        self.unwind(Side::Main, 0, carried, stages, circuits, now);
        self.walking = false;
    }
}
