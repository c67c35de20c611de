//! The drivers: they do what a flow asks for. Blocking, async without a timer, and async on tokio; the Tower services
//! and the proxy use the same pieces.

use crate::circuit::CircuitBreaker;
use crate::classify::Classify;
#[cfg(feature = "tokio")]
use crate::clock::Clock;
use crate::error::Error;
use fusebox_core::flow::{Cx, End, Finish, Flow, Step, Try};
use fusebox_core::pipeline::Pipeline;
use fusebox_core::{Failure, Time, Verdict};
use std::future::{Future, poll_fn};
#[cfg(feature = "tokio")]
use std::pin::Pin;
use std::pin::pin;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll};
#[cfg(feature = "tokio")]
use tokio::time::Sleep;

/// What a walk goes through: borrowed by a driver that stays on the stack, owned by a future with a name.
pub(crate) trait Policies {
    fn pipeline(&self) -> &Pipeline;
    fn circuit(&self) -> &CircuitBreaker;
}

impl<P: Policies> Policies for &P {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        (**self).pipeline()
    }

    #[inline(always)]
    fn circuit(&self) -> &CircuitBreaker {
        (**self).circuit()
    }
}

/// A flow with what it is driven by. Dropped in the middle, it gives everything back.
#[derive(Debug)]
pub(crate) struct Walk<P: Policies> {
    flow: Flow,
    /// An attempt's code is running. When that panics, it stays.
    inside: bool,
    policies: P,
}

impl<P: Policies> Walk<P> {
    /// For drivers with a timer.
    #[cfg(feature = "tokio")]
    #[inline(always)]
    pub(crate) fn timed(policies: P, replayable: bool) -> Self {
        Walk { flow: Flow::new(replayable), inside: false, policies }
    }

    /// For drivers that cannot wake while an attempt runs.
    #[inline(always)]
    pub(crate) fn blocking(policies: P, replayable: bool) -> Self {
        Walk { flow: Flow::blocking(replayable), inside: false, policies }
    }

    /// For drivers without a timer that can ask while an attempt is in flight.
    #[inline(always)]
    pub(crate) fn without_timer(policies: P) -> Self {
        Walk { flow: Flow::without_timer(false), inside: false, policies }
    }

    /// Runs the code of an attempt. When it panics, the panic goes on, and the walk, once it is dropped, counts it as the
    /// attempt's failure.
    #[inline(always)]
    pub(crate) fn inside<R>(&mut self, f: impl FnOnce() -> R) -> R {
        self.inside = true;
        let done = f();
        self.inside = false;
        done
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

    /// The next step, with the clock read anew; `reached` is a moment that a timer has proven to be past.
    #[inline(always)]
    pub(crate) fn next(&mut self, reached: Time) -> Step {
        let circuit = self.policies.circuit();
        let cx = Cx { now: circuit.clock().now().max(reached), rng: circuit.rng() };
        self.flow.next(self.policies.pipeline(), circuit.core(), &cx)
    }

    #[inline(always)]
    pub(crate) fn told(&mut self, attempt: Try, verdict: Verdict) {
        self.flow.told(attempt, verdict);
    }

    /// The error that a walk without a result of its own ended with.
    pub(crate) fn error<E>(&self, end: End) -> Error<E> {
        match end {
            End::Rejected(rejection) => Error::Rejected(self.policies.circuit().rejected(rejection)),
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
            (end, _) => Err(self.error(end)),
        }
    }

    /// The attempt in flight has waited for its service's readiness since then: its clocks do not count that.
    #[cfg(feature = "tower")]
    pub(crate) fn excuse(&mut self, since: Time) {
        self.flow.excuse(self.policies.circuit().clock().now().since(since));
    }

    /// Gives back what is held, of a walk that has not come to its end.
    #[cold]
    pub(crate) fn abandon(&mut self) {
        if std::mem::take(&mut self.inside) {
            self.flow.broke(Verdict::final_failure(Failure::Panic));
            let _ = self.next(Time::ZERO);
        }
        let circuit = self.policies.circuit();
        self.flow.abandon(circuit.core(), circuit.clock().now());
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

/// Drives a walk on the calling thread, which sleeps through backoff. `op` may answer `None` when it has nothing more
/// to call.
#[inline]
pub(crate) fn blocking<T, E>(
    mut walk: Walk<impl Policies>,
    classify: &impl Classify<T, E>,
    mut op: impl FnMut(Try) -> Option<Result<T, E>>,
) -> (Finish, Result<T, Error<E>>) {
    let (mut last, mut reached) = (None, Time::ZERO);
    loop {
        match walk.next(reached) {
            Step::Call(attempt) => match walk.inside(|| op(attempt)) {
                Some(result) => {
                    walk.told(attempt, classify.classify(&result));
                    last = Some(result);
                }
                None => walk.told(attempt, Verdict::IGNORED),
            },
            Step::Wait(until) => {
                sleep(until.since(walk.policies.circuit().clock().now()));
                reached = until;
            }
            // Nothing can cancel a blocking attempt; a blocking pipeline has no timeout.
            Step::Cancel(_) => {}
            Step::Finish(finish) => return (finish, walk.result(finish, last)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the blocking driver is the one that sleeps")]
fn sleep(span: std::time::Duration) {
    std::thread::sleep(span);
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
        let polled = walk.inside(|| future.as_mut().poll(cx));
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
    walk.told(attempt, classify.classify(&result));
    match walk.next(Time::ZERO) {
        Step::Finish(finish) => walk.result(finish, Some(result)),
        step => unreachable!("a breaker alone has no next step {step:?}"),
    }
}

/// Drives a walk on tokio's timer.
#[cfg(feature = "tokio")]
pub(crate) async fn on_tokio<T, E, Fut>(
    mut walk: Walk<impl Policies>,
    classify: &impl Classify<T, E>,
    mut op: impl FnMut(Try) -> Fut,
) -> (Finish, Result<T, Error<E>>)
where
    Fut: Future<Output = Result<T, E>>,
{
    let (mut last, mut reached) = (None, Time::ZERO);
    loop {
        match walk.next(reached) {
            Step::Call(attempt) => {
                if let Some(result) = attempt_on_tokio(&mut walk, attempt, classify, &mut op).await {
                    last = Some(result);
                }
            }
            Step::Wait(until) => {
                let mut alarm = pin!(timer(walk.policies.circuit().clock(), until));
                poll_fn(|cx| rung(alarm.as_mut(), cx)).await;
                reached = until;
            }
            Step::Cancel(_) => {}
            Step::Finish(finish) => return (finish, walk.result(finish, last)),
        }
    }
}

/// Makes one attempt; `None` when its time was over first.
#[cfg(feature = "tokio")]
async fn attempt_on_tokio<T, E, P, Fut>(
    walk: &mut Walk<P>,
    attempt: Try,
    classify: &impl Classify<T, E>,
    op: &mut impl FnMut(Try) -> Fut,
) -> Option<Result<T, E>>
where
    P: Policies,
    Fut: Future<Output = Result<T, E>>,
{
    let mut future = pin!(walk.inside(|| op(attempt)));
    // Whatever is ready at once pays for no timer and no second look at the clock.
    let mut until = Time::ZERO;
    let mut alarm = pin!(None);
    loop {
        let first = poll_fn(|cx| match walk.inside(|| future.as_mut().poll(cx)) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if until == Time::ZERO => Poll::Ready(None),
            Poll::Pending => rung(alarm.as_mut(), cx).map(|()| None),
        });
        if let Some(result) = first.await {
            walk.told(attempt, classify.classify(&result));
            return Some(result);
        }
        match walk.next(until) {
            Step::Wait(next) => {
                until = next;
                alarm.set(timer(walk.policies.circuit().clock(), next));
            }
            // Its time is over; dropping the future cancels it.
            _ => return None,
        }
    }
}

/// tokio's timer for `at`; none for what never comes.
#[cfg(feature = "tokio")]
#[expect(clippy::disallowed_methods, reason = "the async driver is the one that waits")]
pub(crate) fn timer(clock: &Clock, at: Time) -> Option<Sleep> {
    (at != Time::NEVER).then(|| tokio::time::sleep_until(clock.tokio_instant(at)))
}

/// Ready when the timer is over.
#[cfg(feature = "tokio")]
pub(crate) fn rung(timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}
