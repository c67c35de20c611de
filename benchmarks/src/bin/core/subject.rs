//! What is measured: a breaker with its loop, behind one object so that contenders can be interleaved.
//!
//! The loop itself is compiled per contender, with everything inlined that its crate lets be inlined; only the
//! call of a whole chunk goes through the vtable. Every loop counts its rejections, so that no case can be
//! measured in a state it does not claim: a closed breaker rejects nothing, an open one everything.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

/// How a breaker is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Only a rule on consecutive failures.
    Consecutive,
    /// The failure rate of the last 100 calls.
    Count,
    /// The failure rate of the last 60 s.
    Time,
    /// As shipped, with its own clock reads; where there is a choice of clocks, the coarse one.
    Coarse,
    /// As shipped, on the precise clock.
    Precise,
    /// As shipped, through the handle that an application calls.
    Handle,
    /// As shipped, as a Tower layer around a service that is ready at once.
    Layer,
    /// The same, the layer holding a `&'static` breaker.
    StaticLayer,
}

/// What the calls come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Every call succeeds.
    Good,
    /// One call in twenty fails.
    Twentieth,
    /// One call in four fails.
    Quarter,
    /// The breaker is open and rejects.
    Rejected,
}

impl Setup {
    pub(crate) const ALL: [Setup; 8] = [
        Setup::Consecutive,
        Setup::Count,
        Setup::Time,
        Setup::Coarse,
        Setup::Precise,
        Setup::Handle,
        Setup::Layer,
        Setup::StaticLayer,
    ];
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setup::Consecutive => "consecutive",
            Setup::Count => "count",
            Setup::Time => "time",
            Setup::Coarse => "coarse",
            Setup::Precise => "precise",
            Setup::Handle => "handle",
            Setup::Layer => "layer",
            Setup::StaticLayer => "static-layer",
        })
    }
}

impl Traffic {
    pub(crate) const ALL: [Traffic; 4] =
        [Traffic::Good, Traffic::Twentieth, Traffic::Quarter, Traffic::Rejected];
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Traffic::Good => "good",
            Traffic::Twentieth => "twentieth",
            Traffic::Quarter => "quarter",
            Traffic::Rejected => "rejected",
        })
    }
}

/// One breaker and the loop that calls through it.
pub(crate) trait Subject: Sync {
    /// Makes the calls numbered `from` to `from + calls`; says how many were rejected.
    fn run(&self, from: u64, calls: u64) -> u64;

    /// Makes failing calls until the breaker rejects; says whether it came to that.
    fn trip(&self) -> bool;

    /// The size of the breaker itself, without what it holds on the heap.
    fn inline_bytes(&self) -> usize;
}

/// A contender's breaker for a setup, if the contender offers that setup. Always fresh.
pub(crate) type Build = fn(Setup, Traffic) -> Option<Box<dyn Subject>>;

/// One crate in the comparison.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) build: Build,
}

impl Contender {
    /// The contender's breaker, in the state that the traffic needs.
    pub(crate) fn prepare(&self, setup: Setup, traffic: Traffic) -> Option<Box<dyn Subject>> {
        let subject = (self.build)(setup, traffic)?;
        if traffic == Traffic::Rejected {
            assert!(subject.trip(), "{}/{setup} did not open after 10,000 failures", self.name);
        }
        Some(subject)
    }
}

/// Checks that a loop saw the state its case claims.
pub(crate) fn verify(traffic: Traffic, calls: u64, rejected: u64) -> Result<(), String> {
    let expected = if traffic == Traffic::Rejected { calls } else { 0 };
    match rejected == expected {
        true => Ok(()),
        false => Err(format!("{rejected} of {calls} calls were rejected, {expected} should have been")),
    }
}

/// A breaker that is called through a shared reference. `call` takes the call's number and whether it is to
/// succeed, and says whether it was admitted.
pub(crate) struct Direct<B, F> {
    pub(crate) breaker: B,
    pub(crate) traffic: Traffic,
    pub(crate) call: F,
}

impl<B, F> Direct<B, F>
where
    B: Sync + 'static,
    F: Fn(&B, u64, bool) -> bool + Sync + 'static,
{
    pub(crate) fn boxed(traffic: Traffic, breaker: B, call: F) -> Option<Box<dyn Subject>> {
        Some(Box::new(Direct { breaker, traffic, call }))
    }
}

impl<B, F> Subject for Direct<B, F>
where
    B: Sync,
    F: Fn(&B, u64, bool) -> bool + Sync,
{
    fn run(&self, from: u64, calls: u64) -> u64 {
        repeat(self.traffic, from, calls, |number, good| (self.call)(black_box(&self.breaker), number, good))
    }

    fn trip(&self) -> bool {
        (0..10_000).any(|number| !(self.call)(&self.breaker, number, false))
    }

    fn inline_bytes(&self) -> usize {
        size_of::<B>()
    }
}

/// A breaker that is a Tower service: each thread has its clone, as a connection would. What is not ready is
/// polled again at once, so that no thread's sleep is in the figure; tokio's timers run beside.
pub(crate) struct Served<S, R> {
    pub(crate) service: S,
    pub(crate) traffic: Traffic,
    pub(crate) is_rejection: R,
}

impl<S, R> Served<S, R>
where
    S: Service<bool> + Clone + Sync + 'static,
    R: Fn(&S::Error) -> bool + Sync + 'static,
{
    pub(crate) fn boxed(traffic: Traffic, service: S, is_rejection: R) -> Option<Box<dyn Subject>> {
        Some(Box::new(Served { service, traffic, is_rejection }))
    }

    #[inline(always)]
    fn call(&self, service: &mut S, cx: &mut Context<'_>, good: bool) -> bool {
        let admitted = |result: Result<(), S::Error>| !result.is_err_and(|error| (self.is_rejection)(&error));
        loop {
            match service.poll_ready(cx) {
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(error)) => return admitted(Err(error)),
                Poll::Pending => std::hint::spin_loop(),
            }
        }
        let mut answer = pin!(service.call(good));
        loop {
            match answer.as_mut().poll(cx) {
                Poll::Ready(result) => return admitted(result.map(drop)),
                Poll::Pending => std::hint::spin_loop(),
            }
        }
    }
}

impl<S, R> Subject for Served<S, R>
where
    S: Service<bool> + Clone + Sync + 'static,
    R: Fn(&S::Error) -> bool + Sync + 'static,
{
    fn run(&self, from: u64, calls: u64) -> u64 {
        let _entered = TIMERS.enter();
        let mut cx = Context::from_waker(Waker::noop());
        let mut service = self.service.clone();
        repeat(self.traffic, from, calls, |_, good| self.call(black_box(&mut service), &mut cx, good))
    }

    fn trip(&self) -> bool {
        let _entered = TIMERS.enter();
        let mut cx = Context::from_waker(Waker::noop());
        let mut service = self.service.clone();
        (0..10_000).any(|_| !self.call(&mut service, &mut cx, false))
    }

    fn inline_bytes(&self) -> usize {
        size_of::<S>()
    }
}

static TIMERS: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a thread can be started")
});

/// The innermost service: answers at once, well or badly as it is asked.
#[derive(Clone, Copy)]
pub(crate) struct AtOnce;

impl Service<bool> for AtOnce {
    type Response = ();
    type Error = ();
    type Future = std::future::Ready<Result<(), ()>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, good: bool) -> Self::Future {
        std::future::ready(good.then_some(()).ok_or(()))
    }
}

/// The hand-written loop. Where calls may fail the outcome is hidden from the optimiser, as a real one would be.
#[inline(always)]
fn repeat(traffic: Traffic, from: u64, calls: u64, mut call: impl FnMut(u64, bool) -> bool) -> u64 {
    let numbers = from..from + calls;
    let mut rejected = 0;
    match traffic {
        Traffic::Good | Traffic::Rejected => {
            numbers.for_each(|number| rejected += u64::from(!call(number, true)));
        }
        Traffic::Twentieth => {
            numbers.for_each(|number| rejected += u64::from(!call(number, black_box(number % 20 != 0))));
        }
        Traffic::Quarter => {
            numbers.for_each(|number| rejected += u64::from(!call(number, black_box(number % 4 != 0))));
        }
    }
    rejected
}
