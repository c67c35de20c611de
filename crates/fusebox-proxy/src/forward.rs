//! A call: what it says of itself, its walk, and which answer its client gets.

use crate::answer;
use crate::exchange::Head;
use crate::gate;
use crate::hygiene;
use crate::kept::Shelf;
use crate::reply::Reply;
use crate::session::Session;
use crate::source::Source;
use crate::spare;
use crate::story::Story;
use crate::walk::Walk;
use crate::wire;
use fusebox::{CircuitBreaker, Outcome, Time};
use fusebox_core::flow::{End, Finish};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};
use std::convert::Infallible;
use std::rc::Rc;

/// Answers one request, as hyper asks for it: there is always an answer.
pub(crate) async fn serve_call(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let mut response = forward(&session, request).await;
    if session.worker.is_draining() {
        // The client's next call goes to another connection, which a balancer before this proxy makes elsewhere.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A call, while it is made.
pub(crate) struct Call<'a> {
    pub(crate) session: &'a Rc<Session>,
    pub(crate) source: Source,
}

async fn forward(session: &Rc<Session>, request: Request<Incoming>) -> Response<Reply> {
    let has_body = !request.body().is_end_stream();
    session.begin_call(request.version(), has_body);
    if let Err(refusal) = gate::check(&request, &session.raw.borrow()) {
        return answer::refused(session, refusal);
    }
    let told = wire::time_left(request.headers());
    let deadline = told.map_or(Time::NEVER, |left| session.now() + left);
    if let Some(backlog) = &session.worker.backlog
        && let Some(named) = backlog.names_status(request.uri().path())
    {
        return backlog.status(session, request.method(), named).await;
    }
    let host = gate::host(request.headers(), request.uri());
    let Some(lane) = session.worker.lane(host, request.uri().path()) else {
        return answer::no_route(session);
    };
    let fuses = lane.fuses(request.headers());
    let ask = lane.route.asking.ask(request.headers(), has_body);
    if lane.route.asking.is_too_large(ask) {
        return answer::too_large(session);
    }
    let (head, body) = request.into_parts();
    let story = Story::begins(session, &head);
    let (shelf, change) = match lane.route.larder() {
        // What was asked in a body is no part of the key.
        Some(larder) => (larder.shelf(&head).filter(|_| !has_body), larder.change(&head)),
        None => (None, None),
    };
    let call = Call { session, source: Source::of(head, body, &lane.route, session) };
    let mut walk = Walk::new(session, &lane, fuses, &call.source, ask, deadline);
    let finish = walk.run(&call.source).await;
    story.into_iter().for_each(|story| story.ends(session, &walk, finish));
    if finish.fallback
        && let Some(mut response) = {
            let so_far = (walk.flow.deadline(), call.source.left() > 0);
            spare::stand_in(&call, &lane, shelf.as_ref(), so_far).await
        }
    {
        if let Some(change) = change.filter(|_| answer::is_obeyed(&response)) {
            change.happened(response.headers());
        }
        answer::say_fallback(&mut response, concerned(&walk, finish).name());
        walk.discard();
        return response;
    }
    let response = answer(session, walk, finish, shelf);
    if let Some(change) = change.filter(|_| answer::is_obeyed(&response)) {
        change.happened(response.headers());
    }
    response
}

/// The answer to the client, once the walk is over and nothing stands in.
fn answer(session: &Rc<Session>, mut walk: Walk, finish: Finish, shelf: Option<Shelf>) -> Response<Reply> {
    let mut response = match (finish.end, walk.last.take()) {
        (End::Result, Some((endpoint, Ok(head)))) => live(session, &mut walk, endpoint, head, shelf),
        (End::Result, Some((_, Err(fault)))) => answer::failed(session, concerned(&walk, finish), &fault),
        (end, last) => {
            walk.last = last;
            walk.discard();
            let circuit = concerned(&walk, finish);
            match end {
                End::DeadlineExceeded => answer::deadline_exceeded(session, circuit.name()),
                End::TimedOut | End::Result => answer::timed_out(session, circuit.name()),
                End::Rejected(rejection) => answer::rejected(session, &circuit.rejected(rejection)),
            }
        }
    };
    if is_done_trying(session, &walk, finish) {
        response.headers_mut().insert(wire::RETRY, wire::NO);
    }
    response
}

/// The dependency's own response, its body to follow, and to be kept if there is a shelf for it.
pub(crate) fn live(
    session: &Rc<Session>,
    walk: &mut Walk,
    endpoint: usize,
    head: Head,
    shelf: Option<Shelf>,
) -> Response<Reply> {
    let (mut parts, incoming) = head.response.into_parts();
    hygiene::strip(&mut parts.headers);
    let route = &walk.lane.route;
    let keeper = shelf.and_then(|shelf| route.larder()?.keeper(shelf, &parts));
    if let Some(tail) = walk.flow.tail() {
        session.hold(tail, &walk.lane, walk.fuses.clone(), walk.story.take());
    }
    let pool = route.endpoints[endpoint].pool;
    let reply = Reply::live(incoming, (head.link, pool), walk.flow.deadline(), keeper, session.clone());
    let mut response = Response::new(reply);
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    answer::say_source(&mut response, answer::LIVE);
    response
}

/// Whether this layer has done what can be done by trying again, so that no layer before it needs to.
fn is_done_trying(session: &Session, walk: &Walk, finish: Finish) -> bool {
    let refused = |reason: fusebox::Reason| reason.is_breaker() || reason == fusebox::Reason::NoEndpoint;
    let failed = walk.verdict.is_some_and(|verdict| matches!(verdict.outcome, Outcome::Failure(_)));
    match finish.end {
        End::Rejected(rejection) if refused(rejection.reason) => true,
        End::Result if !failed => false,
        _ if walk.flow.attempts() > 1 => true,
        _ => {
            let budget = walk.lane.route.pipeline.retry_budget();
            budget.is_some_and(|budget| budget.snapshot(session.now()).available == 0)
        }
    }
}

/// The circuit that the answer is about.
pub(crate) fn concerned(walk: &Walk, finish: Finish) -> &CircuitBreaker {
    walk.fuses.refuser(finish)
}
