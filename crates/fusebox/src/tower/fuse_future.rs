//! A call through a whole pipeline: the async driver as a future with a name.
//!
//! It does what the walk asks for, one thing at a time, and boxes nothing. An attempt in flight is polled before its
//! timer, so whatever is ready at once pays for no timer; a further attempt waits for its backoff, then for the
//! readiness of a fresh clone, and only then asks the walk again: readiness counts toward the deadline, never toward an
//! attempt.

use super::replay::Replay;
use super::stand_in::StandIn;
use crate::classify::Classify;
use crate::driver::{Walk, rung, timer};
use crate::error::Error;
use crate::fuse::Fuse;
use fusebox_core::flow::{End, Finish, Step, Try};
use fusebox_core::pipeline::{FallbackOn, Pipeline, Stage};
use fusebox_core::scope::Scope;
use fusebox_core::{Failure, Time, Verdict};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;
use tower_service::Service;

pin_project! {
    /// A call through a [`FuseService`](super::FuseService).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt in flight and gives everything back at once. An attempt in flight counts as
    /// cancelled, neither success nor failure; a call between two attempts counts as what the last one was.
    ///
    /// # Panics
    ///
    /// Where the inner service or its future does, which counts as a failure; when it is polled after it has finished;
    /// and outside a tokio runtime with its timer enabled, once there is something to wait for.
    #[must_use = "futures do nothing unless polled"]
    pub struct FuseFuture<S, Request, K, R, F>
    where
        S: Service<Request>,
    {
        // Before the walk: a future that is dropped lets go of the dependency, then gives its slot back.
        #[pin]
        future: Option<S::Future>,
        at: At,
        #[pin]
        alarm: Option<Sleep>,
        // What the alarm is set to; zero for an attempt that has not been waited for.
        until: Time,
        walk: Walk<Fuse<K>>,
        replay: R,
        fallback: F,
        attempts: u32,
        spare: Option<(S, Request)>,
        last: Option<Result<S::Response, S::Error>>,
    }
}

/// What the future waits for.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Nothing: the walk has something to say.
    Turn,
    /// An attempt, or its timer.
    Calling(Try),
    /// A turn, or a place in a queue.
    Queued,
    /// A backoff.
    Sleeping,
    /// The readiness of the next attempt's service, since the end of its backoff. Where that was nothing, the walk has
    /// begun the attempt already.
    Readying {
        since: Time,
        begun: Option<Try>,
    },
    /// Nothing: an attempt is to be made.
    Making(Try),
    Over,
}

/// How many attempts a call can come to.
fn most_attempts(pipeline: &Pipeline, replayable: bool) -> u32 {
    let attempts = pipeline.stages().iter().find_map(|stage| match stage {
        Stage::Retry { settings, .. } => Some(settings.config().max_attempts),
        _ => None,
    });
    attempts.filter(|_| replayable).unwrap_or(1)
}

impl<S, Request, K, R, F> FuseFuture<S, Request, K, R, F>
where
    S: Service<Request>,
    R: Replay<S, Request>,
{
    /// Asks the policies, and makes the first attempt if they let it, with the service that was made ready.
    pub(super) fn begin(
        service: &mut S,
        request: Request,
        fuse: Fuse<K>,
        (replay, fallback): (R, F),
    ) -> Self {
        let replayable = replay.may(&request);
        let mut walk = Walk::timed(fuse, replayable);
        if !replay.keeps() {
            walk.hurry();
        }
        let step = walk.next(Time::ZERO);
        let attempts = most_attempts(walk.policies().pipeline(), replayable);
        let mut begun = FuseFuture {
            future: None,
            at: At::Turn,
            alarm: None,
            until: Time::ZERO,
            walk,
            replay,
            fallback,
            attempts,
            spare: None,
            last: None,
        };
        match step {
            Step::Call(attempt) => {
                if attempt.attempt < attempts {
                    begun.spare = begun.replay.copy(service, &request);
                }
                begun.future = Some(begun.walk.inside(attempt, || service.call(request)));
                begun.at = At::Calling(attempt);
            }
            // It waits for its turn or for a place, and asks again when it is polled.
            Step::Wait(_) => begun.spare = begun.replay.keep(service, request),
            // A walk that has finished says so again when it is polled.
            Step::Finish(_) | Step::Cancel(_) => {}
        }
        begun
    }
}

impl<S, Request, K, R, F> Future for FuseFuture<S, Request, K, R, F>
where
    S: Service<Request>,
    K: Classify<S::Response, S::Error>,
    R: Replay<S, Request>,
    F: StandIn<S::Response, S::Error>,
{
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let reached = match *this.at {
                At::Turn => *this.until,
                At::Calling(attempt) => {
                    let Some(future) = this.future.as_mut().as_pin_mut() else {
                        unreachable!("an attempt in flight has a future")
                    };
                    match this.walk.inside(attempt, || future.poll(cx)) {
                        Poll::Ready(result) => {
                            this.future.set(None);
                            let mut verdict = this.walk.judge(this.walk.policies().classifier(), &result);
                            verdict.retryable &= this.spare.is_some();
                            this.walk.told(attempt, verdict);
                            *this.last = Some(result);
                            Time::ZERO
                        }
                        Poll::Pending if *this.until == Time::ZERO => Time::ZERO,
                        Poll::Pending => {
                            ready!(rung(this.alarm.as_mut(), cx));
                            *this.until
                        }
                    }
                }
                At::Queued => match rung(this.alarm.as_mut(), cx) {
                    Poll::Ready(()) => *this.until,
                    // A place may have come free.
                    Poll::Pending if this.walk.is_queued() => Time::ZERO,
                    Poll::Pending => return Poll::Pending,
                },
                At::Sleeping => {
                    ready!(rung(this.alarm.as_mut(), cx));
                    *this.at = At::Readying { since: *this.until, begun: None };
                    this.alarm.set(timer(this.walk.policies().circuit().clock(), this.walk.deadline()));
                    continue;
                }
                At::Readying { since, begun } => {
                    match this.spare.as_mut().map(|(service, _)| service.poll_ready(cx)) {
                        Some(Poll::Ready(Ok(()))) => match begun {
                            Some(attempt) => {
                                this.walk.excuse(since);
                                *this.at = At::Making(attempt);
                                continue;
                            }
                            None => since,
                        },
                        Some(Poll::Pending) => {
                            ready!(rung(this.alarm.as_mut(), cx));
                            if begun.is_some() {
                                this.walk.excuse(since);
                            }
                            this.walk.deadline()
                        }
                        Some(Poll::Ready(Err(_))) | None => {
                            *this.at = At::Over;
                            if let Some(attempt) = begun {
                                this.walk.told(attempt, Verdict::final_failure(Failure::Connect));
                                let _ = this.walk.next(Time::ZERO);
                            }
                            return Poll::Ready(stands(this.walk, this.last, this.fallback));
                        }
                    }
                }
                At::Making(attempt) => {
                    let Some((mut service, request)) = this.spare.take() else {
                        unreachable!("a further attempt has been made ready")
                    };
                    if attempt.attempt < *this.attempts {
                        *this.spare = this.replay.copy(&service, &request);
                    }
                    this.future.set(Some(this.walk.inside(attempt, || service.call(request))));
                    this.alarm.set(None);
                    (*this.at, *this.until) = (At::Calling(attempt), Time::ZERO);
                    continue;
                }
                At::Over => panic!("a call was polled after it had finished"),
            };
            match this.walk.next_woken(reached, cx.waker()) {
                // The service of a first attempt was kept as it was, ready.
                Step::Call(attempt) if attempt.attempt == 1 => *this.at = At::Making(attempt),
                Step::Call(attempt) if matches!(this.at, At::Readying { .. }) => {
                    *this.at = At::Making(attempt)
                }
                Step::Call(attempt) => {
                    let clock = this.walk.policies().circuit().clock();
                    *this.at = At::Readying { since: clock.now(), begun: Some(attempt) };
                    this.alarm.set(timer(clock, this.walk.deadline()));
                }
                Step::Cancel(_) => {
                    this.future.set(None);
                    (*this.at, *this.last) = (At::Turn, None);
                }
                Step::Wait(until) => {
                    let same = matches!(this.at, At::Queued) && *this.until == until && reached < until;
                    *this.until = until;
                    if this.future.is_none() {
                        *this.at = match this.spare {
                            Some(_) if this.walk.is_unmade() || this.walk.is_queued() => At::Queued,
                            Some(_) => At::Sleeping,
                            None => At::Over,
                        };
                    }
                    if same {
                        return Poll::Pending;
                    }
                    if let At::Over = this.at {
                        return Poll::Ready(stands(this.walk, this.last, this.fallback));
                    }
                    this.alarm.set(timer(this.walk.policies().circuit().clock(), until));
                    ready!(rung(this.alarm.as_mut(), cx));
                }
                Step::Finish(finish) => {
                    (*this.at, *this.spare) = (At::Over, None);
                    let result = this.walk.result(finish, this.last.take());
                    return Poll::Ready(if finish.fallback {
                        this.fallback.stand_in(result, this.walk.policies().fallback_counters())
                    } else {
                        result
                    });
                }
            }
        }
    }
}

/// A retry that cannot be made leaves the failure that was there, for the fallback to answer.
fn stands<K, T, E>(
    walk: &mut Walk<Fuse<K>>,
    last: &mut Option<Result<T, E>>,
    fallback: &impl StandIn<T, E>,
) -> Result<T, Error<E>> {
    walk.abandon();
    let end = if last.is_some() { End::Result } else { End::TimedOut };
    let finish = Finish { end, fallback: false, endpoint: 0, scope: Scope::Endpoint };
    let result = walk.result(finish, last.take());
    let fuse = walk.policies();
    let answers = |stage: &Stage| matches!(stage, Stage::Fallback(FallbackOn::Failed));
    match fuse.pipeline().stages().iter().any(answers) {
        true => fallback.stand_in(result, fuse.fallback_counters()),
        false => result,
    }
}
