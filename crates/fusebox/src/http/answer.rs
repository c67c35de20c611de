//! A call without an answer, told to its caller as RFC 9457 has problems told.

use super::{CIRCUIT, NO, OUTCOME, REASON, REJECTED, RETRY};
use crate::error::{Error, Rejected};
use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderValue, Response, StatusCode};
use std::fmt::{Display, Write};
use std::time::Duration;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The response for a call that ended with `error`: what a server answers in a dependency's place.
///
/// | the call | status | [`OUTCOME`] |
/// |---|---|---|
/// | was refused | 503, with `Retry-After` where the way out is known | `rejected` |
/// | was not answered within an attempt's time | 504 | `timed_out` |
/// | was not answered within its deadline | 504 | `deadline_exceeded` |
/// | failed | 502 | `upstream_failed` |
///
/// The body is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `reason`, and where they
/// apply `circuit` and `retry_after_ms`: what the proxy answers, but for `retry_at`, since the library reads no wall
/// clock. The dependency's own error is not shown, for it is not the caller's to read. Each carries [`RETRY`] `no`.
///
/// ```
/// use fusebox::{Error, http::answer};
///
/// let response = answer(&Error::<std::io::Error>::TimedOut);
/// assert_eq!(response.status(), 504);
/// assert_eq!(response.headers()["fusebox-outcome"], "timed_out");
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
pub fn answer<E>(error: &Error<E>) -> Response<String> {
    let late = "The dependency did not answer in time";
    match error {
        Error::Rejected(rejected) => refused(rejected),
        Error::TimedOut => {
            let detail = "No attempt was answered within the time of an attempt.";
            problem(StatusCode::GATEWAY_TIMEOUT, "timed_out", late, detail, None)
        }
        Error::DeadlineExceeded => {
            let detail = "The call was not answered within the time of the whole call.";
            problem(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", late, detail, None)
        }
        Error::Failed(_) => {
            let detail = "The last attempt ended without a response.";
            problem(StatusCode::BAD_GATEWAY, "upstream_failed", "The dependency failed", detail, None)
        }
    }
}

fn refused(rejected: &Rejected) -> Response<String> {
    let mut detail = rejected.reason.to_string();
    if let Some(trip) = rejected.trip.as_ref().filter(|_| rejected.reason.is_breaker()) {
        detail = format!("{detail}: {trip}");
    }
    let title = "The call was refused to protect the dependency";
    problem(StatusCode::SERVICE_UNAVAILABLE, REJECTED, title, &detail, Some(rejected))
}

fn problem(
    status: StatusCode,
    outcome: &'static str,
    title: &str,
    detail: &str,
    rejected: Option<&Rejected>,
) -> Response<String> {
    let reason = rejected.map_or(outcome, |rejected| rejected.reason.as_str());
    let mut body = String::from("{");
    member(&mut body, "type", Quoted(&format!("urn:fusebox:problem:{outcome}")));
    member(&mut body, "title", Quoted(title));
    member(&mut body, "status", status.as_u16());
    member(&mut body, "detail", Quoted(detail));
    member(&mut body, "reason", Quoted(reason));
    if let Some(rejected) = rejected {
        member(&mut body, "circuit", Quoted(&rejected.circuit));
    }
    let retry_after = rejected.and_then(|rejected| rejected.retry_after);
    if let Some(after) = retry_after {
        member(&mut body, "retry_after_ms", after.as_millis());
    }
    body.push('}');

    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM);
    headers.insert(OUTCOME, HeaderValue::from_static(outcome));
    headers.insert(REASON, HeaderValue::from_static(reason));
    headers.insert(RETRY, NO);
    // A name that no header can hold stands in the body alone.
    if let Some(Ok(circuit)) = rejected.map(|rejected| HeaderValue::from_str(&rejected.circuit)) {
        headers.insert(CIRCUIT, circuit);
    }
    if let Some(after) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    response
}

/// Rounded up, so that who obeys it does not come too early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

fn member(body: &mut String, name: &str, value: impl Display) {
    if body.len() > 1 {
        body.push(',');
    }
    // Writing to a string does not fail.
    let _ = write!(body, "\"{name}\":{value}");
}

/// A string as JSON writes it (RFC 8259 §7).
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CircuitBreaker, Clock, http};
    use fusebox_core::Verdict;

    #[test]
    fn a_refusal_names_the_circuit_the_reason_and_the_way_out() {
        let (clock, _hand) = Clock::manual();
        let circuit = CircuitBreaker::builder("shop \"a\"\n").clock(clock).seed(1).build().expect("works");
        (0..10).for_each(|_| drop(circuit.call(|| Err::<(), _>(()))));
        let refused = circuit.call(|| Ok::<_, ()>(())).expect_err("open");
        let response = answer(&refused);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("fusebox-outcome"), Some("rejected"));
        assert_eq!(header("fusebox-reason"), Some("open"));
        assert_eq!(header("fusebox-circuit"), None, "a line break fits no header");
        let Error::Rejected(rejected) = &refused else { panic!("refused") };
        let after = rejected.retry_after.expect("known");
        assert_eq!(header("retry-after"), Some(&*whole_seconds(after).to_string()));
        let body: String = response.into_body();
        assert!(body.contains(r#""circuit":"shop \"a\"\u000a""#), "{body}");
        assert!(body.contains(r#""detail":"the circuit is open: consecutive_failures 10 "#), "{body}");
        assert!(body.contains(&format!(r#""retry_after_ms":{}}}"#, after.as_millis())), "{body}");
    }

    #[test]
    fn what_one_fusebox_answers_the_next_one_understands() {
        let circuit = CircuitBreaker::new("a");
        circuit.hold(fusebox_core::breaker::Mode::ForcedOpen, "ann", "maintenance");
        let refused = circuit.call(|| Ok::<_, ()>(())).expect_err("held open");
        let told = |error: &Error<()>| {
            let response = answer(error);
            http::verdict(response.status(), response.headers())
        };
        assert_eq!(told(&refused), Verdict::REFUSED);
        for error in [Error::TimedOut, Error::DeadlineExceeded, Error::Failed(())] {
            let verdict = told(&error);
            assert!(matches!(verdict.outcome, crate::Outcome::Failure(_)) && !verdict.retryable, "{error:?}");
        }
    }

    #[test]
    fn the_wait_is_rounded_up_and_never_zero() {
        for (millis, secs) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (u64::MAX, 18_446_744_073_709_552)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), secs, "{millis} ms");
        }
    }
}
