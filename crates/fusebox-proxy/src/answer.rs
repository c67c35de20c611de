//! What fusebox answers itself: rejections, its own errors, fallbacks.
//!
//! An answer in a dependency's place carries `fusebox-outcome`, so a client can tell it from the dependency's. Errors are
//! problem details as RFC 9457 has them.

use crate::deferred::KeptAnswer;
use crate::exchange::Fault;
use crate::gate::Refusal;
use crate::reply::Reply;
use crate::session::Session;
use crate::upload::ClientFault;
use crate::wall;
use bytes::Bytes;
use fusebox::queue::record::State;
use fusebox::{CircuitBreaker, Reason, Rejected};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How a call ended that was not answered by its dependency.
pub(crate) const OUTCOME: HeaderName = HeaderName::from_static("fusebox-outcome");
/// The `OUTCOME` of a rejection.
pub(crate) const REJECTED: &str = "rejected";
/// The circuit that the answer is about.
const CIRCUIT: HeaderName = HeaderName::from_static("fusebox-circuit");
/// Why, in a word.
const REASON: HeaderName = HeaderName::from_static("fusebox-reason");
/// Where an answer came from.
const SOURCE: HeaderName = HeaderName::from_static("fusebox-source");
/// The `SOURCE` of the dependency's own answers.
pub(crate) const LIVE: &str = "live";
pub(crate) const ALTERNATIVE: &str = "alternative";
pub(crate) const OTHER_REGION: &str = "other-region";
pub(crate) const DEFERRED: &str = "deferred";
/// Which policy refused.
const POLICY: HeaderName = HeaderName::from_static("fusebox-policy");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A problem, as RFC 9457 has it.
struct Problem {
    status: StatusCode,
    /// Names the kind of problem: `urn:fusebox:problem:{kind}`.
    kind: &'static str,
    title: &'static str,
    detail: String,
    reason: &'static str,
    circuit: Option<Arc<str>>,
    /// The policy that refused.
    policy: Option<&'static str>,
    /// `fusebox-outcome`, where a dependency was involved.
    outcome: Option<&'static str>,
    retry_after: Option<Duration>,
    /// The connection ends with this answer.
    close: bool,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Problem {
            status,
            kind,
            title,
            detail,
            reason: kind,
            circuit: None,
            policy: None,
            outcome: None,
            retry_after: None,
            close: false,
        }
    }

    fn of_client(status: StatusCode, kind: &'static str, title: &'static str, detail: &str) -> Self {
        Problem { close: true, ..Problem::new(status, kind, title, detail) }
    }

    fn into_response(self, session: &Rc<Session>) -> Response<Reply> {
        let mut body = Map::new();
        let mut say = |key: &str, value: Value| body.insert(key.into(), value);
        say("type", format!("urn:fusebox:problem:{}", self.kind).into());
        say("title", self.title.into());
        say("status", self.status.as_u16().into());
        say("detail", self.detail.into());
        say("reason", self.reason.into());
        if let Some(policy) = self.policy {
            say("policy", policy.into());
        }
        if let Some(circuit) = &self.circuit {
            say("circuit", Value::from(&**circuit));
        }
        if let Some(after) = self.retry_after {
            say("retry_after_ms", u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into());
            if let Some(at) = wall::rfc3339_in(after) {
                say("retry_at", at.into());
            }
        }
        let body = Bytes::from(Value::Object(body).to_string());
        let mut response = Response::new(Reply::ready(body, session.clone()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM);
        if let Some(outcome) = self.outcome {
            headers.insert(OUTCOME, HeaderValue::from_static(outcome));
            headers.insert(REASON, HeaderValue::from_static(self.reason));
        }
        if let Some(policy) = self.policy {
            headers.insert(POLICY, HeaderValue::from_static(policy));
        }
        if let Some(Ok(circuit)) = self.circuit.map(|name| HeaderValue::from_str(&name)) {
            headers.insert(CIRCUIT, circuit);
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"),
            );
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Rounded up, so that who obeys it does not come too early.
fn whole_seconds(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A policy refused the call.
pub(crate) fn rejected(session: &Rc<Session>, rejected: &Rejected) -> Response<Reply> {
    let reason = rejected.reason;
    let mut detail = reason.to_string();
    if let Some(trip) = rejected.trip.as_ref().filter(|_| reason.is_breaker()) {
        detail = format!("{detail}: {trip}");
    }
    let (policy, status) = match reason {
        Reason::RateLimited => ("rate_limiter", StatusCode::TOO_MANY_REQUESTS),
        Reason::BulkheadFull | Reason::BulkheadTimeout | Reason::Shed | Reason::KeyFull => {
            ("bulkhead", StatusCode::SERVICE_UNAVAILABLE)
        }
        Reason::ConnectionsFull => ("max_connections", StatusCode::SERVICE_UNAVAILABLE),
        Reason::Throttled => ("throttle", StatusCode::SERVICE_UNAVAILABLE),
        Reason::NoEndpoint | Reason::FleetOut => ("balancer", StatusCode::SERVICE_UNAVAILABLE),
        _ => ("breaker", StatusCode::SERVICE_UNAVAILABLE),
    };
    let title = match reason {
        Reason::RateLimited => "The quota is used up",
        _ => "The call was refused to protect the dependency",
    };
    Problem {
        reason: reason.as_str(),
        circuit: reason.is_breaker().then(|| rejected.circuit.clone()),
        policy: Some(policy),
        outcome: Some(REJECTED),
        retry_after: rejected.retry_after,
        ..Problem::new(status, REJECTED, title, detail)
    }
    .into_response(session)
}

/// Says where an answer came from.
pub(crate) fn say_source(response: &mut Response<Reply>, source: &'static str) {
    response.headers_mut().insert(SOURCE, HeaderValue::from_static(source));
}

/// Whether somebody who was called has answered it, and not with an error.
pub(crate) fn is_obeyed(response: &Response<Reply>) -> bool {
    let lived = |source: &HeaderValue| source == LIVE || source == ALTERNATIVE || source == OTHER_REGION;
    response.headers().get(SOURCE).is_some_and(lived)
        && !response.status().is_client_error()
        && !response.status().is_server_error()
}

/// No attempt's answer came in time.
pub(crate) fn timed_out(session: &Rc<Session>, circuit: &Arc<str>) -> Response<Reply> {
    let detail = "No attempt was answered within the time of an attempt (call_timeout).";
    late(session, circuit, "timed_out", detail)
}

/// The whole call's time was over.
pub(crate) fn deadline_exceeded(session: &Rc<Session>, circuit: &Arc<str>) -> Response<Reply> {
    let detail = "The call was not answered within the time of the whole call (deadline).";
    late(session, circuit, "deadline_exceeded", detail)
}

fn late(session: &Rc<Session>, circuit: &Arc<str>, kind: &'static str, detail: &str) -> Response<Reply> {
    Problem {
        circuit: Some(circuit.clone()),
        outcome: Some(kind),
        ..Problem::new(StatusCode::GATEWAY_TIMEOUT, kind, "The dependency did not answer in time", detail)
    }
    .into_response(session)
}

/// The last attempt ended without a response.
pub(crate) fn failed(session: &Rc<Session>, circuit: &CircuitBreaker, fault: &Fault) -> Response<Reply> {
    use StatusCode as S;
    let (status, outcome, reason, detail) = match fault {
        Fault::Refused => {
            (S::SERVICE_UNAVAILABLE, "upstream_unreachable", "connection_refused", "It took no connection.")
        }
        Fault::Exhausted => (
            S::SERVICE_UNAVAILABLE,
            "proxy_exhausted",
            "exhausted",
            "The proxy has no descriptor left for it.",
        ),
        Fault::ConnectTimeout => {
            (S::GATEWAY_TIMEOUT, "upstream_unreachable", "connect_timeout", "It took no connection in time.")
        }
        Fault::Unresolved => {
            (S::BAD_GATEWAY, "upstream_unreachable", "unresolved", "Its name has no address.")
        }
        Fault::Reset => {
            (S::BAD_GATEWAY, "upstream_failed", "reset", "The connection broke before the response began.")
        }
        Fault::Malformed => {
            (S::BAD_GATEWAY, "upstream_failed", "malformed", "Its answer was no HTTP response.")
        }
        Fault::Client(fault) => return client_fault(session, *fault),
        Fault::Full(rejection) => return rejected(session, &circuit.rejected(*rejection)),
    };
    let title = match outcome {
        "upstream_failed" => "The dependency failed",
        _ => "The dependency cannot be reached",
    };
    Problem {
        reason,
        circuit: Some(circuit.name().clone()),
        outcome: Some(outcome),
        retry_after: (status == S::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1)),
        ..Problem::new(status, outcome, title, detail)
    }
    .into_response(session)
}

fn client_fault(session: &Rc<Session>, fault: ClientFault) -> Response<Reply> {
    let problem = match fault {
        ClientFault::Malformed => {
            let detail = "The body breaks its own framing, or ends early.";
            Problem::of_client(StatusCode::BAD_REQUEST, "bad_request", "The request is malformed", detail)
        }
        ClientFault::Stalled => {
            let detail = "Nothing of the body came for longer than body_idle_timeout.";
            Problem::of_client(StatusCode::REQUEST_TIMEOUT, "slow_request", "The request stalled", detail)
        }
    };
    problem.into_response(session)
}

/// The request goes no further.
pub(crate) fn refused(session: &Rc<Session>, refusal: Refusal) -> Response<Reply> {
    let (status, title) = match refusal {
        Refusal::Connect => (StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not allowed"),
        _ => (StatusCode::BAD_REQUEST, "The request is malformed"),
    };
    Problem::of_client(status, "bad_request", title, refusal.detail()).into_response(session)
}

/// More bytes than all the places that bodies have.
pub(crate) fn too_large(session: &Rc<Session>) -> Response<Reply> {
    let (status, title) = (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    let detail = "The body is longer than all bodies together may be (bulkhead.max_concurrent, in bytes).";
    Problem::of_client(status, "too_large", title, detail).into_response(session)
}

/// A document about a call that is kept.
pub(crate) fn document(session: &Rc<Session>, status: StatusCode, document: &Value) -> Response<Reply> {
    let body = Bytes::from(format!("{document:#}\n"));
    let mut response = Response::new(Reply::ready(body, session.clone()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a call that was kept came to; `None` if that can no more be said.
pub(crate) fn kept(session: &Rc<Session>, kept: &KeptAnswer) -> Option<Response<Reply>> {
    let (status, headers) = (StatusCode::from_u16(kept.status).ok()?, kept.headers()?);
    // A part of a body is no answer.
    if kept.cut {
        return None;
    }
    let mut response = Response::new(Reply::ready(kept.body.clone(), session.clone()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Some(response)
}

/// The key belongs to another call.
pub(crate) fn key_conflict(session: &Rc<Session>) -> Response<Reply> {
    let detail = "This Idempotency-Key was used for another call, with another method, target, type or body.";
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "key_conflict", "The key belongs to another call", detail).into_response(session)
}

/// A call that was kept is not waiting any more.
pub(crate) fn ended(session: &Rc<Session>, state: &State) -> Response<Reply> {
    let detail = match state {
        State::Leased => "The call is being made at this moment.".into(),
        State::Dead(death) => {
            format!("The call is dead ({}): nobody makes it unless an operator decides so.", death.as_str())
        }
        state => format!("The call is {}.", state.as_str()),
    };
    Problem::new(StatusCode::CONFLICT, "not_waiting", "The call is not waiting", detail)
        .into_response(session)
}

/// There is no room for another call that waits.
pub(crate) fn queue_full(session: &Rc<Session>, circuit: &Arc<str>) -> Response<Reply> {
    let detail = "The dependency does not answer, and the queue for calls that wait is full.";
    Problem {
        circuit: Some(circuit.clone()),
        outcome: Some(REJECTED),
        policy: Some("queue"),
        retry_after: Some(Duration::from_secs(30)),
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "The queue is full", detail)
    }
    .into_response(session)
}

/// Nobody was told this name, or the call is forgotten.
pub(crate) fn no_such_call(session: &Rc<Session>) -> Response<Reply> {
    let detail = "There is no such call, or it ended so long ago that it is forgotten.";
    Problem::new(StatusCode::NOT_FOUND, "no_such_call", "No such call", detail).into_response(session)
}

/// A status is read, or its call is called off.
pub(crate) fn status_method(session: &Rc<Session>) -> Response<Reply> {
    let detail = "A call's status takes GET, HEAD, and DELETE to call it off.";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, "method_not_allowed", "The method is not allowed here", detail);
    let mut response = problem.into_response(session);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, DELETE"));
    response
}

/// The store has not said whether it has the call.
pub(crate) fn may_be_kept(session: &Rc<Session>) -> Response<Reply> {
    let detail = "The dependency does not answer, and the store of deferred calls has not said whether it has kept this one: \
         repeat it with the same Idempotency-Key.";
    Problem {
        outcome: Some(REJECTED),
        policy: Some("queue"),
        retry_after: Some(Duration::from_secs(1)),
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "may_be_kept", "The call may be kept", detail)
    }
    .into_response(session)
}

/// A call that may have been made cannot be called off: that would say that it was not.
pub(crate) fn may_be_made(session: &Rc<Session>) -> Response<Reply> {
    let detail = "The call may have been made already: the dependency is asked first.";
    Problem::new(StatusCode::CONFLICT, "may_be_made", "The call may have been made", detail)
        .into_response(session)
}

/// The store does not answer.
pub(crate) fn queue_unreachable(session: &Rc<Session>) -> Response<Reply> {
    let detail = "The store of deferred calls does not answer.";
    Problem {
        retry_after: Some(Duration::from_secs(1)),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "queue_unreachable",
            "The store does not answer",
            detail,
        )
    }
    .into_response(session)
}

/// No service matches.
pub(crate) fn no_route(session: &Rc<Session>) -> Response<Reply> {
    let detail = "No service of the configuration matches this host and path.";
    Problem::new(StatusCode::NOT_FOUND, "no_route", "No such service", detail).into_response(session)
}

/// Says that an answer stands in for what the circuit of this name is before.
pub(crate) fn say_fallback(response: &mut Response<Reply>, circuit: &Arc<str>) {
    let headers = response.headers_mut();
    headers.insert(OUTCOME, HeaderValue::from_static("fallback"));
    if let Ok(circuit) = HeaderValue::from_str(circuit) {
        headers.insert(CIRCUIT, circuit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (millis, secs) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (29_999, 30), (30_000, 30)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), secs, "{millis} ms");
        }
    }
}
