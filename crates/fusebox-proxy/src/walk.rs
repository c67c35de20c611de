//! The proxy's driver: it does what a call's flow asks for.
//!
//! There may be two attempts in flight; the second is a hedge. All of it happens in the client's own task: attempts are
//! polled where they stand, and dropping one closes its connection.

use crate::exchange::{Fault, Head, exchange};
use crate::lane::{Fuses, Lane};
use crate::recorded::Story;
use crate::session::Session;
use crate::source::Source;
use crate::upload::ClientFault;
use crate::verdict::judge;
use fusebox::record::Stamps;
use fusebox::{Outcome, Time, Verdict};
use fusebox_core::Ask;
use fusebox_core::flow::{Cx, Finish, Flow, Step, Try};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What an attempt has come to, and at which endpoint it was made.
pub(crate) type Landed = (usize, Result<Head, Fault>);

/// A call's way through its flow. Dropped in the middle, it gives everything back.
pub(crate) struct Walk {
    session: Rc<Session>,
    pub(crate) lane: Rc<Lane>,
    pub(crate) fuses: Fuses,
    pub(crate) flow: Flow,
    /// What the last attempt that ended has come to.
    pub(crate) last: Option<Landed>,
    /// What that says of its endpoint.
    pub(crate) verdict: Option<Verdict>,
    /// How much of the attempts' time was not the endpoint's.
    excused: Duration,
    /// There have been two attempts at once: what one waits for is not the other's.
    hedged: bool,
    /// When the flow wants to be asked again.
    ask_at: Time,
    stamps: Stamps,
    /// For the records, where attempts are recorded.
    pub(crate) story: Option<Story>,
}

impl Walk {
    /// A walk over `lane`, to be over by `deadline`.
    pub(crate) fn new(
        session: &Rc<Session>,
        lane: &Rc<Lane>,
        fuses: Fuses,
        source: &Source,
        ask: Ask,
        deadline: Time,
    ) -> Self {
        let mut flow = Flow::new(source.is_replayable());
        flow.ask(ask);
        flow.due_by(deadline);
        let excused = session.excused(session.now(), true);
        let story = Story::of(source, &fuses);
        let (session, lane) = (session.clone(), lane.clone());
        Walk {
            session,
            lane,
            fuses,
            flow,
            last: None,
            verdict: None,
            excused,
            hedged: false,
            ask_at: Time::ZERO,
            stamps: Stamps::default(),
            story,
        }
    }

    /// Walks to the end.
    pub(crate) async fn run(&mut self, source: &Source) -> Finish {
        let (session, lane) = (self.session.clone(), self.lane.clone());
        let begin = |of: Try| exchange(&session, &lane.route.endpoints[of.endpoint], source);
        let mut flights = Flights { first: None, future: pin!(None), second: None };
        poll_fn(|cx| self.poll(cx, &mut flights, source, &begin)).await
    }

    fn poll<F>(
        &mut self,
        cx: &mut Context<'_>,
        flights: &mut Flights<'_, F>,
        source: &Source,
        begin: &impl Fn(Try) -> F,
    ) -> Poll<Finish>
    where
        F: Future<Output = Result<Head, Fault>>,
    {
        self.session.wake_at(Time::NEVER);
        loop {
            let landed = flights.poll(cx).or_else(|| self.stalled(flights));
            let has_landed = landed.is_some();
            if let Some((of, result)) = landed {
                self.land(of, result, source);
            } else if self.session.now() < self.ask_at && !self.flow.is_queued() {
                return self.rest();
            }
            let now = self.session.now();
            self.excuse(now);
            self.flow.replays(source.is_replayable(), source.is_there());
            match self.next(now, cx.waker()) {
                Step::Call(of) => {
                    self.discard();
                    source.due_by(self.flow.deadline());
                    self.hedged |= flights.first.is_some();
                    self.stamps.begin(of, self.fuses.at(of.endpoint));
                    flights.take_off(of, begin(of));
                    self.ask_at = Time::ZERO;
                }
                Step::Cancel(of) => {
                    self.note(of, self.flow.given_up(of));
                    flights.cancel(of);
                }
                Step::Wait(until) => {
                    self.ask_at = until;
                    // Another attempt may have been woken by the same event.
                    if !has_landed {
                        return self.rest();
                    }
                }
                Step::Finish(finish) => return Poll::Ready(finish),
            }
        }
    }

    fn next(&mut self, now: Time, waker: &Waker) -> Step {
        let cx = Cx { now, rng: &self.session.worker.rng, waker };
        self.flow.next(&self.lane.route.pipeline, &self.fuses, &cx)
    }

    fn rest(&self) -> Poll<Finish> {
        self.session.wake_by(self.ask_at.min(self.stalls_at()));
        Poll::Pending
    }

    /// When the client has been silent for too long in the middle of its request.
    fn stalls_at(&self) -> Time {
        let idle = self.session.worker.limits().body_idle_timeout;
        self.session.upload.starved_since().map_or(Time::NEVER, |since| since + idle)
    }

    /// The attempt that waits in vain for its client.
    fn stalled<F>(&self, flights: &mut Flights<'_, F>) -> Option<(Try, Result<Head, Fault>)> {
        let of = flights.first.filter(|_| self.session.now() >= self.stalls_at())?;
        flights.cancel(of);
        Some((of, Err(Fault::Client(ClientFault::Stalled))))
    }

    /// An attempt has come to this.
    fn land(&mut self, of: Try, result: Result<Head, Fault>, source: &Source) {
        self.excuse(self.session.now());
        let verdict = judge(&result, source, self.lane.route.lenient);
        self.note(of, verdict.outcome);
        match result {
            Ok(_) => self.flow.told_head(of, verdict),
            Err(_) => self.flow.told(of, verdict),
        }
        // A hedge that was refused takes back nothing of what the other attempt has come to.
        if verdict.refused && self.last.is_some() {
            if let Ok(head) = result {
                head.discard(&self.lane.route.endpoints[of.endpoint], &self.session);
            }
            return;
        }
        self.discard();
        (self.last, self.verdict) = (Some((of.endpoint, result)), Some(verdict));
    }

    /// For the records: an attempt has come to this.
    fn note(&mut self, of: Try, outcome: Outcome) {
        if let (Some(began), Some(story)) = (self.stamps.end(of), &mut self.story) {
            let name = &self.lane.route.endpoints[of.endpoint].endpoint.authority;
            story.tell(&self.fuses, (of.endpoint, name), began, outcome);
        }
    }

    /// Takes the time in which the attempt waited for its client or for a connection off its clocks.
    fn excuse(&mut self, now: Time) {
        // What is excused never shrinks: a hedge makes the line's part stand still.
        let excused = self.session.excused(now, !self.hedged);
        if excused > self.excused {
            self.flow.excuse(excused - self.excused);
            self.stamps.excuse(excused - self.excused);
            self.excused = excused;
        }
    }

    /// What the last attempt came to is not what the client gets.
    pub(crate) fn discard(&mut self) {
        if let Some((endpoint, Ok(head))) = self.last.take() {
            head.discard(&self.lane.route.endpoints[endpoint], &self.session);
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if !self.flow.is_over() {
            self.flow.abandon(&self.lane.route.pipeline, &self.fuses, self.session.now());
        }
    }
}

/// The attempts in flight. The usual one has its place in the call's future; a hedge is rare, and is boxed.
struct Flights<'a, F> {
    first: Option<Try>,
    future: Pin<&'a mut Option<F>>,
    second: Option<(Try, Pin<Box<F>>)>,
}

impl<F> Flights<'_, F> {
    fn take_off(&mut self, of: Try, future: F) {
        match self.first {
            None => {
                self.first = Some(of);
                self.future.set(Some(future));
            }
            Some(_) => self.second = Some((of, Box::pin(future))),
        }
    }

    /// Dropping an attempt closes its connection.
    fn cancel(&mut self, of: Try) {
        if self.first == Some(of) {
            self.first = None;
            self.future.set(None);
        } else {
            self.second.take_if(|(second, _)| *second == of);
        }
    }
}

impl<F: Future> Flights<'_, F> {
    /// The first attempt that has come to something. The other is left for the next poll, because what this one has come
    /// to may decide what becomes of it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<(Try, F::Output)> {
        if let (Some(of), Some(future)) = (self.first, self.future.as_mut().as_pin_mut())
            && let Poll::Ready(result) = future.poll(cx)
        {
            self.cancel(of);
            return Some((of, result));
        }
        if let Some((of, future)) = &mut self.second
            && let Poll::Ready(result) = future.as_mut().poll(cx)
        {
            let of = *of;
            self.cancel(of);
            return Some((of, result));
        }
        None
    }
}
