//! The drivers: they do what a flow asks for. Blocking, async without a timer, and async on tokio; the Tower services
//! and the proxy use the same pieces.

mod blocking;
mod pooled;
mod recorded;
#[cfg(feature = "tokio")]
mod timed;

#[cfg(feature = "queue")]
pub(crate) use blocking::wait_for;
pub(crate) use blocking::{Bell, blocking};
pub(crate) use pooled::pooled;
pub(crate) use recorded::Told;
#[cfg(feature = "queue")]
pub(crate) use timed::pause;
#[cfg(feature = "tokio")]
pub(crate) use timed::{on_tokio, rung, timer};

use crate::circuit::CircuitBreaker;
use crate::classify::{Classify, Results};
use crate::error::Error;
use crate::fallback::contained;
use crate::record::Stamps;
use fusebox_core::bulkhead::Place;
use fusebox_core::flow::{Circuits, Cx, End, Finish, Flow, Step, Try};
use fusebox_core::pipeline::Pipeline;
use fusebox_core::scope::Scope;
use fusebox_core::{Ask, Failure, Time, Verdict, breaker};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Waker;

/// What a walk goes through: borrowed by a driver that stays on the stack, owned by a future with a name.
pub(crate) trait Policies {
    fn pipeline(&self) -> &Pipeline;
    /// The circuit before the `endpoint`-th endpoint. The first one's clock and dice are the call's.
    fn before(&self, endpoint: usize) -> &CircuitBreaker;

    /// The circuit of the whole service, where there are scopes.
    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        None
    }

    #[inline(always)]
    fn circuit(&self) -> &CircuitBreaker {
        self.before(0)
    }

    /// The name of the `endpoint`-th endpoint, where there is a choice of them.
    fn endpoint(&self, _: usize) -> Option<&str> {
        None
    }

    /// What the call says of itself, for records.
    fn told(&self) -> Told {
        Told::default()
    }
}

/// The circuits as the flow knows them.
struct Cores<'a, P> {
    policies: &'a P,
    tenant: Option<&'a (u64, CircuitBreaker)>,
}

impl<P: Policies> Circuits for Cores<'_, P> {
    #[inline(always)]
    fn circuit(&self, endpoint: usize) -> &breaker::CircuitBreaker {
        self.policies.before(endpoint).core()
    }

    #[inline(always)]
    fn service(&self) -> Option<&breaker::CircuitBreaker> {
        self.policies.service().map(CircuitBreaker::core)
    }

    #[inline(always)]
    fn tenant(&self) -> Option<(u64, &breaker::CircuitBreaker)> {
        self.tenant.map(|(key, circuit)| (*key, circuit.core()))
    }
}

impl<P: Policies> Policies for &P {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        (**self).pipeline()
    }

    #[inline(always)]
    fn before(&self, endpoint: usize) -> &CircuitBreaker {
        (**self).before(endpoint)
    }

    #[inline(always)]
    fn service(&self) -> Option<&CircuitBreaker> {
        (**self).service()
    }

    fn endpoint(&self, endpoint: usize) -> Option<&str> {
        (**self).endpoint(endpoint)
    }

    fn told(&self) -> Told {
        (**self).told()
    }
}

/// A flow with what it is driven by. Dropped in the middle, it gives everything back.
#[derive(Debug)]
pub(crate) struct Walk<P: Policies> {
    flow: Flow,
    /// The number of the attempt whose code is running, or 0. When that panics, it stays.
    inside: u32,
    /// The circuit of the call's tenant, with its key.
    tenant: Option<(u64, CircuitBreaker)>,
    stamps: Stamps,
    policies: P,
}

impl<P: Policies> Walk<P> {
    /// For drivers with a timer.
    #[inline(always)]
    pub(crate) fn timed(policies: P, replayable: bool) -> Self {
        Walk::of(Flow::new(replayable), policies)
    }

    /// For drivers that cannot wake while an attempt runs.
    #[inline(always)]
    pub(crate) fn blocking(policies: P, replayable: bool) -> Self {
        Walk::of(Flow::blocking(replayable), policies)
    }

    /// For drivers without a timer that can ask while an attempt is in flight.
    #[inline(always)]
    pub(crate) fn without_timer(policies: P) -> Self {
        Walk::of(Flow::without_timer(false), policies)
    }

    #[inline(always)]
    fn of(flow: Flow, policies: P) -> Self {
        Walk { flow, inside: 0, tenant: None, stamps: Stamps::default(), policies }
    }

    /// Whose call it is.
    pub(crate) fn of_tenant(&mut self, tenant: Option<(u64, CircuitBreaker)>) {
        self.tenant = tenant;
    }

    /// Runs the code of an attempt. When it panics, the panic goes on, and the walk, once it is dropped, counts it as the
    /// attempt's failure.
    #[inline(always)]
    pub(crate) fn inside<R>(&mut self, of: Try, f: impl FnOnce() -> R) -> R {
        self.inside = of.attempt;
        let done = f();
        self.inside = 0;
        done
    }

    /// What the classifier says. When it panics, that is counted, and the result speaks for itself: `Ok` is a success.
    #[inline(always)]
    pub(crate) fn judge<T, E>(&self, classify: &impl Classify<T, E>, result: &Result<T, E>) -> Verdict {
        let judged = contained(|| classify.classify(result));
        judged.unwrap_or_else(|| {
            let circuit = self.policies.circuit();
            circuit.core().fault(circuit.clock().now());
            Results.classify(result)
        })
    }

    /// It waits for no turn and no place.
    #[cfg(feature = "tower")]
    pub(crate) fn hurry(&mut self) {
        self.flow.hurry();
    }

    /// Whether no attempt has been made.
    #[cfg(feature = "tower")]
    pub(crate) fn is_unmade(&self) -> bool {
        self.flow.attempts() == 0
    }

    /// The thread pool's place of the attempt just asked for.
    pub(crate) fn take_place(&mut self, of: Try) -> Option<Place> {
        self.flow.take_place(of)
    }

    /// Brings the call's deadline forward.
    pub(crate) fn due_by(&mut self, at: Time) {
        self.flow.due_by(at);
    }

    /// Whether it waits in a queue, so that being woken is a reason to ask again.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_queued(&self) -> bool {
        self.flow.is_queued()
    }

    /// What it goes through.
    #[cfg(feature = "tower")]
    #[inline(always)]
    pub(crate) fn policies(&self) -> &P {
        &self.policies
    }

    /// When the call must be over.
    #[cfg(feature = "tower")]
    pub(crate) fn deadline(&self) -> Time {
        self.flow.deadline()
    }

    /// What the call says of itself.
    #[inline(always)]
    pub(crate) fn ask(&mut self, ask: Ask) {
        self.flow.ask(ask);
    }

    /// The next step, for a driver that a bulkhead need not wake.
    #[inline(always)]
    pub(crate) fn next(&mut self, reached: Time) -> Step {
        self.next_woken(reached, Waker::noop())
    }

    /// The next step, with the clock read anew; `reached` is a moment that a timer has proven to be past, and `waker` is
    /// woken when a place comes free.
    #[inline(always)]
    pub(crate) fn next_woken(&mut self, reached: Time, waker: &Waker) -> Step {
        let circuit = self.policies.circuit();
        let cx = Cx { now: circuit.clock().now().max(reached), rng: circuit.rng(), waker };
        let cores = Cores { policies: &self.policies, tenant: self.tenant.as_ref() };
        let step = self.flow.next(self.policies.pipeline(), &cores, &cx);
        match step {
            Step::Call(of) => self.stamps.begin(of, self.policies.before(of.endpoint)),
            Step::Cancel(of) => self.note(of, self.flow.given_up(of)),
            _ => {}
        }
        step
    }

    #[inline(always)]
    pub(crate) fn told(&mut self, attempt: Try, verdict: Verdict) {
        self.flow.told(attempt, verdict);
        self.note(attempt, verdict.outcome);
    }

    /// The error that a walk without a result of its own ended with.
    pub(crate) fn error<E>(&self, finish: Finish) -> Error<E> {
        match finish.end {
            End::Rejected(rejection) => {
                let wide = match finish.scope {
                    Scope::Endpoint => None,
                    Scope::Tenant => self.tenant.as_ref().map(|(_, circuit)| circuit),
                    Scope::Service => self.policies.service(),
                };
                let refuser = wide.unwrap_or_else(|| self.policies.before(finish.endpoint));
                Error::Rejected(refuser.rejected(rejection))
            }
            End::DeadlineExceeded => Error::DeadlineExceeded,
            End::TimedOut | End::Result => Error::TimedOut,
        }
    }

    /// The result of a finished walk: the last attempt's own, or the error it ended with.
    #[inline(always)]
    pub(crate) fn result<T, E>(&self, finish: Finish, last: Option<Result<T, E>>) -> Result<T, Error<E>> {
        match (finish.end, last) {
            (End::Result, Some(Ok(value))) => Ok(value),
            (End::Result, Some(Err(error))) => Err(Error::Failed(error)),
            _ => Err(self.error(finish)),
        }
    }

    /// The attempt in flight has waited for its service's readiness since then: its clocks do not count that.
    #[cfg(feature = "tower")]
    pub(crate) fn excuse(&mut self, since: Time) {
        let span = self.policies.circuit().clock().now().since(since);
        self.flow.excuse(span);
        self.stamps.excuse(span);
    }

    /// Gives back what is held, of a walk that has not come to its end.
    #[cold]
    pub(crate) fn abandon(&mut self) {
        let attempt = std::mem::take(&mut self.inside);
        if attempt != 0 {
            self.told(
                Try { endpoint: self.flow.endpoint(), attempt },
                Verdict::final_failure(Failure::Panic),
            );
            let _ = self.next(Time::ZERO);
        }
        let now = self.policies.circuit().clock().now();
        let cores = Cores { policies: &self.policies, tenant: self.tenant.as_ref() };
        self.flow.abandon(self.policies.pipeline(), &cores, now);
    }
}

impl<P: Policies> Drop for Walk<P> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.flow.is_over() {
            self.abandon();
        }
    }
}

/// Drives a walk that never waits, on any executor.
#[inline]
pub(crate) async fn without_timer<T, E>(
    mut walk: Walk<impl Policies>,
    classify: &impl Classify<T, E>,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error<E>> {
    let attempt = match walk.next(Time::ZERO) {
        Step::Call(attempt) => attempt,
        Step::Finish(finish) => return walk.result(finish, None),
        Step::Wait(_) | Step::Cancel(_) => unreachable!("a breaker alone neither waits nor cancels"),
    };
    let mut future = pin!(future);
    let mut asked = false;
    let polled = poll_fn(|cx| {
        let polled = walk.inside(attempt, || future.as_mut().poll(cx));
        if polled.is_pending() && !asked {
            asked = true;
            let step = walk.next(Time::ZERO);
            debug_assert!(
                matches!(step, Step::Wait(_)),
                "a breaker alone waits for its attempt, not {step:?}"
            );
        }
        polled
    });
    let result = polled.await;
    walk.told(attempt, walk.judge(classify, &result));
    match walk.next(Time::ZERO) {
        Step::Finish(finish) => walk.result(finish, Some(result)),
        step => unreachable!("a breaker alone has no next step {step:?}"),
    }
}
