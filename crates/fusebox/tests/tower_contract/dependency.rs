//! A dependency that answers when the test says so, and counts what reaches it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::Service;

/// What an attempt does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Succeed,
    Fail,
    /// Answers after this long.
    SucceedAfter(Duration),
    FailAfter(Duration),
    Hang,
    /// Panics when its future is polled.
    Panic,
    /// Panics in `call`.
    PanicAtOnce,
}

/// What a readiness check says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readiness {
    Pending,
    Broken,
}

#[derive(Debug, Default)]
struct Shared {
    acts: VecDeque<Act>,
    readiness: VecDeque<Readiness>,
    waker: Option<Waker>,
    calls: usize,
    in_flight: usize,
    most_in_flight: usize,
    clones: usize,
    used_unready: bool,
}

/// A service that plays a script; when that is over, it succeeds. Clones play the same script; each must be made ready
/// on its own.
#[derive(Debug, Default)]
pub(crate) struct Dependency {
    shared: Arc<Mutex<Shared>>,
    ready: bool,
}

impl Dependency {
    pub(crate) fn playing(acts: impl IntoIterator<Item = Act>) -> Self {
        let dependency = Dependency::default();
        dependency.shared().acts.extend(acts);
        dependency
    }

    /// The same dependency, seen from the test.
    pub(crate) fn seen(&self) -> Dependency {
        Dependency { shared: self.shared.clone(), ready: false }
    }

    pub(crate) fn will_be(&self, readiness: impl IntoIterator<Item = Readiness>) {
        self.shared().readiness.extend(readiness);
    }

    /// Wakes who waits for readiness.
    pub(crate) fn wake(&self) {
        self.shared().waker.take().expect("somebody waits for readiness").wake();
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared().calls
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared().in_flight
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared().most_in_flight
    }

    pub(crate) fn clones(&self) -> usize {
        self.shared().clones
    }

    /// Whether anybody called it without having made it ready.
    pub(crate) fn was_used_unready(&self) -> bool {
        self.shared().used_unready
    }

    /// Whether this clone has been made ready for a call.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Clone for Dependency {
    fn clone(&self) -> Self {
        self.shared().clones += 1;
        self.seen()
    }
}

/// The dependency's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Call,
    Readiness,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Broken {}

impl Service<u32> for Dependency {
    type Response = u32;
    type Error = Broken;
    type Future = Attempt;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let next = self.shared().readiness.pop_front();
        match next {
            Some(Readiness::Pending) => {
                self.shared().waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Readiness::Broken) => Poll::Ready(Err(Broken::Readiness)),
            None => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, request: u32) -> Attempt {
        let ready = std::mem::take(&mut self.ready);
        let mut shared = self.shared();
        shared.calls += 1;
        shared.used_unready |= !ready;
        let act = shared.acts.pop_front().unwrap_or(Act::Succeed);
        assert!(!matches!(act, Act::PanicAtOnce), "a panic of the dependency, as the script has it");
        shared.in_flight += 1;
        shared.most_in_flight = shared.most_in_flight.max(shared.in_flight);
        drop(shared);
        let timer = match act {
            Act::SucceedAfter(span) | Act::FailAfter(span) => Some(Box::pin(work(span))),
            _ => None,
        };
        Attempt { act, request, timer, shared: self.shared.clone() }
    }
}

#[expect(clippy::disallowed_methods, reason = "a dependency takes its time; in these tests, time is virtual")]
fn work(span: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(span)
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Attempt {
    act: Act,
    request: u32,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    shared: Arc<Mutex<Shared>>,
}

impl Future for Attempt {
    type Output = Result<u32, Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(timer) = &mut self.timer {
            std::task::ready!(timer.as_mut().poll(cx));
        }
        match self.act {
            Act::Succeed | Act::SucceedAfter(_) => Poll::Ready(Ok(self.request)),
            Act::Fail | Act::FailAfter(_) => Poll::Ready(Err(Broken::Call)),
            Act::Hang => Poll::Pending,
            Act::Panic | Act::PanicAtOnce => panic!("a panic of the dependency, as the script has it"),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).in_flight -= 1;
    }
}
