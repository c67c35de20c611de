//! The driver of the calling thread.

use super::{Policies, Walk};
use crate::classify::Classify;
use crate::error::Error;
use fusebox_core::Time;
use fusebox_core::flow::{Finish, Step, Try};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

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
