//! A call through one circuit: the inner future, and a walk that settles when it ends or is dropped.

use crate::circuit::CircuitBreaker;
use crate::classify::Classify;
use crate::driver::{Policies, Walk};
use crate::error::Error;
use fusebox_core::Time;
use fusebox_core::flow::{Finish, Step, Try};
use fusebox_core::pipeline::Pipeline;
use pin_project_lite::pin_project;
use std::borrow::Borrow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A call through a [`CircuitBreakerService`](super::CircuitBreakerService).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the inner future and counts as cancelled: neither success nor failure, and a probe's slot is
    /// free at once. That holds before the first poll too: the call was made.
    ///
    /// # Panics
    ///
    /// Where the inner future does, which counts as a failure; and when it is polled after it has finished.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CircuitBreakerFuture<F, H, K>
    where
        H: Borrow<CircuitBreaker>,
    {
        // Before the walk: a future that is dropped lets go of the dependency, then gives its slot back.
        #[pin]
        state: State<F>,
        walk: Walk<Alone<H>>,
        classify: K,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Calling { attempt: Try, asked: bool, #[pin] future: F },
        Refused { finish: Finish },
        Over,
    }
}

/// A circuit with nothing around it.
#[derive(Debug)]
struct Alone<H>(H);

impl<H: Borrow<CircuitBreaker>> Policies for Alone<H> {
    #[inline(always)]
    fn pipeline(&self) -> &Pipeline {
        self.circuit().pipeline()
    }

    #[inline(always)]
    fn before(&self, _: usize) -> &CircuitBreaker {
        self.0.borrow()
    }
}

impl<F, H: Borrow<CircuitBreaker>, K> CircuitBreakerFuture<F, H, K> {
    /// Asks the circuit, and makes the call if it may. The circuit watches for hung calls itself, as in
    /// [`CircuitBreaker::run`]: no timer, no particular executor.
    #[inline]
    pub(super) fn begin(circuit: H, classify: K, call: impl FnOnce() -> F) -> Self {
        let mut walk = Walk::without_timer(Alone(circuit));
        let state = match walk.next(Time::ZERO) {
            Step::Call(attempt) => {
                State::Calling { attempt, asked: false, future: walk.inside(attempt, call) }
            }
            Step::Finish(finish) => State::Refused { finish },
            step @ (Step::Wait(_) | Step::Cancel(_)) => {
                unreachable!("a breaker alone does not begin with {step:?}")
            }
        };
        CircuitBreakerFuture { state, walk, classify }
    }
}

impl<F, T, E, H, K> Future for CircuitBreakerFuture<F, H, K>
where
    F: Future<Output = Result<T, E>>,
    H: Borrow<CircuitBreaker>,
    K: Classify<T, E>,
{
    type Output = Result<T, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (attempt, result) = match this.state.as_mut().project() {
            StateProjection::Calling { attempt, asked, future } => {
                let polled = this.walk.inside(*attempt, || future.poll(cx));
                if polled.is_pending() && !*asked {
                    *asked = true;
                    let step = this.walk.next(Time::ZERO);
                    debug_assert!(
                        matches!(step, Step::Wait(_)),
                        "not {step:?} while an attempt is in flight"
                    );
                }
                (*attempt, ready!(polled))
            }
            StateProjection::Refused { finish } => {
                let refused = this.walk.result(*finish, None);
                this.state.set(State::Over);
                return Poll::Ready(refused);
            }
            StateProjection::Over => panic!("a call was polled after it had finished"),
        };
        this.state.set(State::Over);
        this.walk.told(attempt, this.walk.judge(this.classify, &result));
        match this.walk.next(Time::ZERO) {
            Step::Finish(finish) => Poll::Ready(this.walk.result(finish, Some(result))),
            step => unreachable!("a breaker alone has no next step {step:?}"),
        }
    }
}
