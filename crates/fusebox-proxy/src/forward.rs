//! The proxy's driver: it does what a call's flow asks for.

use crate::answer;
use crate::asks;
use crate::config::Fallback;
use crate::exchange::{Fault, Head, Source, exchange};
use crate::gate;
use crate::hygiene;
use crate::lane::{Fuses, Lane};
use crate::reply::Reply;
use crate::session::Session;
use crate::upload::ClientFault;
use crate::wall;
use fusebox::{CircuitBreaker, Failure, Outcome, Time, Verdict, classify};
use fusebox_core::flow::{Cx, End, Finish, Flow, Step, Try};
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Answers one request, as hyper asks for it: there is always an answer.
pub(crate) async fn serve_call(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    Ok(forward(&session, request).await)
}

async fn forward(session: &Rc<Session>, request: Request<Incoming>) -> Response<Reply> {
    session.begin_call(request.version(), !request.body().is_end_stream());
    if let Err(refusal) = gate::check(&request, &session.raw.borrow()) {
        return answer::refused(session, refusal);
    }
    let host = gate::host(request.headers(), request.uri());
    let Some(lane) = session.worker.lane(host, request.uri().path()) else {
        return answer::no_route(session);
    };
    let fuses = lane.fuses(request.headers());
    let ask = lane.route.asks.ask(request.headers());
    let told = asks::told_deadline(request.headers());
    let mut source = Source::of(request, session);
    let mut walk = Walk::new(session, &lane, fuses, source.replayable);
    walk.flow.ask(ask);
    if let Some(left) = told {
        walk.flow.due_by(session.now() + left);
    }
    if lane.route.pipeline.queues() {
        walk.waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    }
    let mut last = None;
    let finish = loop {
        match walk.next(session.now()) {
            Step::Call(attempt) => {
                walk.discard(last.take());
                last = walk.attempt(attempt, &mut source).await;
            }
            // Whatever wakes the connection may have brought the place that the call waits for.
            Step::Wait(until) if walk.flow.is_queued() => session.until_woken(until).await,
            Step::Wait(until) => session.until(until).await,
            Step::Cancel(_) => last = None,
            Step::Finish(finish) => break finish,
        }
    };
    walk.answer(finish, last)
}

/// A call's way through its flow. Dropped in the middle, it gives everything back.
struct Walk<'a> {
    session: &'a Rc<Session>,
    lane: &'a Lane,
    fuses: Fuses,
    flow: Flow,
    /// Wakes the connection; does nothing where nothing queues.
    waker: Waker,
    /// Where the last attempt was made.
    endpoint: usize,
    /// How much of the time it took was the client's.
    excused: Duration,
}

impl<'a> Walk<'a> {
    fn new(session: &'a Rc<Session>, lane: &'a Lane, fuses: Fuses, replayable: bool) -> Self {
        let (flow, waker) = (Flow::new(replayable), Waker::noop().clone());
        Walk { session, lane, fuses, flow, waker, endpoint: 0, excused: Duration::ZERO }
    }

    fn next(&mut self, now: Time) -> Step {
        let cx = Cx { now, rng: &self.session.worker.rng, waker: &self.waker };
        self.flow.next(&self.lane.route.pipeline, &self.fuses, &cx)
    }

    /// Makes an attempt; `None` when its time was over first.
    async fn attempt(&mut self, attempt: Try, source: &mut Source) -> Option<Result<Head, Fault>> {
        self.endpoint = attempt.endpoint;
        source.ends = self.flow.deadline();
        let session = self.session;
        let lane = self.lane;
        let idle = session.worker.limits.body_idle_timeout;
        let connect_by = Cell::new(Time::NEVER);
        let result = {
            let target = &lane.route.endpoints[attempt.endpoint];
            let mut exchange = pin!(exchange(session, target, source, &connect_by));
            let mut ask_at = Time::ZERO;
            let first = poll_fn(|cx| {
                if let Poll::Ready(result) = exchange.as_mut().poll(cx) {
                    return Poll::Ready(Some(result));
                }
                let now = session.now();
                if now >= ask_at {
                    self.excuse(now);
                    match self.next(now) {
                        Step::Wait(until) => ask_at = until,
                        // Its time is over; dropping the exchange cancels it.
                        _ => return Poll::Ready(None),
                    }
                }
                let stalled_at = session.upload.starved_since().map_or(Time::NEVER, |since| since + idle);
                if now >= connect_by.get() {
                    return Poll::Ready(Some(Err(Fault::ConnectTimeout)));
                }
                if now >= stalled_at {
                    return Poll::Ready(Some(Err(Fault::Client(ClientFault::Stalled))));
                }
                session.wake_at(ask_at.min(connect_by.get()).min(stalled_at));
                Poll::Pending
            });
            first.await?
        };
        self.excuse(session.now());
        let verdict = self.judge(&result, source);
        match result {
            Ok(_) => self.flow.told_head(attempt, verdict),
            Err(_) => self.flow.told(attempt, verdict),
        }
        Some(result)
    }

    /// Takes the time that the client kept the attempt waiting off the attempt's clocks.
    fn excuse(&mut self, now: Time) {
        let starved = self.session.upload.starved(now);
        if starved > self.excused {
            self.flow.excuse(starved - self.excused);
            self.excused = starved;
        }
    }

    /// What an attempt says about its endpoint, and whether another one is safe.
    fn judge(&self, result: &Result<Head, Fault>, source: &Source) -> Verdict {
        let failure = |kind, safe| if safe { Verdict::failure(kind) } else { Verdict::final_failure(kind) };
        match result {
            Ok(head) => {
                if is_nested_rejection(head) {
                    return Verdict::REFUSED;
                }
                let status = head.response.status();
                if status == StatusCode::TOO_MANY_REQUESTS && self.lane.route.lenient {
                    return Verdict::SUCCESS;
                }
                let asked = head.response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let asked = asked.map(wall::in_seconds);
                let again = head.response.headers().get(answer::RETRY).is_none_or(|hint| hint != answer::NO);
                match classify::http(status.as_u16(), asked.as_deref()).outcome {
                    Outcome::Failure(kind) => failure(kind, source.replayable && again),
                    _ => Verdict::SUCCESS,
                }
            }
            Err(Fault::Client(_) | Fault::Exhausted) => Verdict::IGNORED,
            Err(Fault::Refused | Fault::ConnectTimeout | Fault::Unresolved) => {
                failure(Failure::Connect, source.is_whole())
            }
            Err(Fault::Reset) => failure(Failure::Reset, source.is_whole()),
            Err(Fault::Malformed) => failure(Failure::Malformed, source.is_whole()),
        }
    }

    /// The answer to the client, once the walk is over.
    fn answer(mut self, finish: Finish, last: Option<Result<Head, Fault>>) -> Response<Reply> {
        let route = self.lane.route.clone();
        let fallback = route.fallback.as_ref().filter(|_| finish.fallback).and_then(Fallback::ready);
        let last = match (fallback, last) {
            (None, Some(Ok(head))) if finish.end == End::Result => return self.live(head),
            (_, last) => last,
        };
        let session = self.session;
        let circuit = match finish.end {
            End::Rejected(rejection) => self.rejecting(rejection.retry_at),
            _ => self.fuses.before(self.endpoint),
        };
        if let Some(fallback) = fallback {
            self.discard(last);
            return answer::fallback(session, circuit.name(), fallback);
        }
        match (finish.end, last) {
            (End::Result, Some(Err(fault))) => answer::failed(session, circuit.name(), &fault),
            (End::DeadlineExceeded, _) => answer::deadline_exceeded(session, circuit.name()),
            (End::TimedOut | End::Result, _) => answer::timed_out(session, circuit.name()),
            (End::Rejected(rejection), _) => answer::rejected(session, &circuit.rejected(rejection)),
        }
    }

    /// What the last attempt came to is not what the client gets.
    fn discard(&self, last: Option<Result<Head, Fault>>) {
        if let Some(Ok(head)) = last {
            head.discard(&self.lane.route.endpoints[self.endpoint], self.session);
        }
    }

    /// The dependency's own response, its body to follow.
    fn live(&mut self, head: Head) -> Response<Reply> {
        let (mut parts, incoming) = head.response.into_parts();
        hygiene::strip(&mut parts.headers);
        if parts.status.is_server_error() && self.flow.attempts() > 1 {
            parts.headers.insert(answer::RETRY, answer::NO);
        }
        if let Some(tail) = self.flow.tail() {
            self.session.hold(tail, self.lane, self.fuses.clone());
        }
        let pool = self.lane.route.endpoints[self.endpoint].pool;
        let reply = Reply::live(incoming, head.link, pool, self.flow.deadline(), self.session.clone());
        let mut response = Response::new(reply);
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        response
    }

    /// The circuit whose way out is the earliest: the one that the rejection is of.
    fn rejecting(&self, retry_at: Time) -> &CircuitBreaker {
        let endpoints = 0..self.lane.route.endpoints.len();
        let of = endpoints.map(|endpoint| self.fuses.before(endpoint));
        of.clone().find(|circuit| circuit.snapshot().retry_at == retry_at).unwrap_or(self.fuses.before(0))
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        if !self.flow.is_over() {
            self.flow.abandon(&self.lane.route.pipeline, &self.fuses, self.session.now());
        }
    }
}

/// Whether it is another fusebox's refusal: nothing was wrong with that one.
fn is_nested_rejection(head: &Head) -> bool {
    matches!(head.response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
        && head.response.headers().get(answer::OUTCOME).is_some_and(|outcome| outcome == answer::REJECTED)
}
