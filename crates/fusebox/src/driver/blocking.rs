//! The driver of the calling thread.

use super::{Policies, Walk};
use crate::classify::Classify;
use crate::error::Error;
use fusebox_core::Time;
use fusebox_core::flow::{Finish, Step, Try};
#[cfg(feature = "queue")]
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
#[cfg(feature = "queue")]
use std::task::{Context, Poll};
use std::task::{Wake, Waker};
use std::time::Duration;
#[cfg(feature = "queue")]
use std::time::Instant;

/// Drives a walk on the calling thread, which sleeps through backoff and waits in queues. `op` may answer `None` when
/// it has nothing more to call.
#[inline]
pub(crate) fn blocking<T, E>(
    mut walk: Walk<impl Policies>,
    classify: &impl Classify<T, E>,
    mut op: impl FnMut(Try) -> Option<Result<T, E>>,
) -> (Finish, Result<T, Error<E>>) {
    let (mut last, mut reached) = (None, Time::ZERO);
    let queue = walk.policies.pipeline().queues().then(Bell::of_this_thread);
    let waker = queue.as_ref().map_or(Waker::noop(), |(_, waker)| waker);
    loop {
        match walk.next_woken(reached, waker) {
            Step::Call(attempt) => match walk.inside(attempt, || op(attempt)) {
                Some(result) => {
                    walk.told(attempt, walk.judge(classify, &result));
                    last = Some(result);
                }
                None => walk.told(attempt, fusebox_core::Verdict::IGNORED),
            },
            Step::Wait(until) => {
                let span = until.since(walk.policies.circuit().clock().now());
                let woken = match &queue {
                    Some((bell, _)) => bell.wait(span),
                    None => {
                        sleep(span);
                        false
                    }
                };
                reached = if woken { Time::ZERO } else { until };
            }
            // Nothing can cancel a blocking attempt; a blocking pipeline has no timeout.
            Step::Cancel(_) => {}
            Step::Finish(finish) => return (finish, walk.result(finish, last)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the blocking driver is the one that sleeps")]
fn sleep(span: Duration) {
    std::thread::sleep(span);
}

/// Waits on the calling thread for a future, no longer than `patience`; any waker's will do.
#[cfg(feature = "queue")]
#[expect(clippy::disallowed_methods, reason = "a thread that waits goes by the machine's clock")]
pub(crate) fn wait_for<F: Future>(mut future: Pin<&mut F>, patience: Duration) -> Option<F::Output> {
    let ((bell, waker), began) = (Bell::of_this_thread(), Instant::now());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            return None;
        }
        bell.wait(left);
    }
}

/// Wakes a thread that waits in a queue.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// One for each thread, made once.
    pub(crate) fn of_this_thread() -> (Arc<Bell>, Waker) {
        std::thread_local! {
            static BELL: (Arc<Bell>, Waker) = {
                let bell = Arc::new(Bell::default());
                (bell.clone(), bell.into())
            };
        }
        BELL.with(Clone::clone)
    }

    /// Waits for the bell, no longer than `span`; whether it rang.
    pub(crate) fn wait(&self, span: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, span, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }
}
