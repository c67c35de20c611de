//! HTTP's words for what the policies say, on the types of the crate [`http`]: what a response says about the
//! dependency, which requests may be sent again, and how a call that got no answer is told to its caller.
//!
//! With the feature `tower`, the layers of [`tower`](crate::tower) take all three, before a hyper client as well as
//! before an axum router:
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use fusebox::http::{HttpClassify, Idempotent};
//! use fusebox::{Fuse, retry, tower::FuseLayer};
//!
//! # fn layer() -> Result<(), fusebox::InvalidConfig> {
//! let fuse = Fuse::builder("profiles")
//!     .retry(retry::Config::default())
//!     .classify(HttpClassify::new())
//!     .build()?;
//! let layer = FuseLayer::new(fuse).replay(Idempotent);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # One layer retries
//!
//! Three layers that each make three attempts make 27. A response that carries [`RETRY`] with the value `no` asks its
//! caller not to try again: [`verdict`] obeys, and [`answer`] says it, because whoever gives up in a dependency's place
//! has done what trying there is to do.

mod answer;

pub use answer::answer;

use crate::classify::{self, Classify};
use ::http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use fusebox_core::{Failure, Verdict};
use std::borrow::Cow;

/// How a call ended that was not answered by its dependency, in an [`answer`]'s header.
pub const OUTCOME: HeaderName = HeaderName::from_static("fusebox-outcome");
/// The [`OUTCOME`] of a call that was refused.
pub const REJECTED: &str = "rejected";
/// Which circuit refused.
pub const CIRCUIT: HeaderName = HeaderName::from_static("fusebox-circuit");
/// Why, in a word.
pub const REASON: HeaderName = HeaderName::from_static("fusebox-reason");
/// Whether the caller may try again; the one value it has is [`NO`].
pub const RETRY: HeaderName = HeaderName::from_static("fusebox-retry");
/// The value of [`RETRY`]: trying has been done already, or is of no use.
pub const NO: HeaderValue = HeaderValue::from_static("no");

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What the head of a response says about the dependency that sent it.
///
/// * Another fusebox's refusal (503 with [`OUTCOME`] `rejected`) says nothing of that one: [`Verdict::REFUSED`].
/// * The status of a gRPC response is judged by [`classify::grpc`] where the head has it, as it does for a unary call that
///   failed; where it follows in trailers, the head is a success, and only the call's own result tells.
/// * Everything else is judged by [`classify::http`]. A `Retry-After` that is a date is read against the response's own
///   `Date` (RFC 9110 §10.2.3 and §6.6.1), not against a clock that may differ from the sender's.
/// * [`RETRY`] `no` makes a failure final.
pub fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if status == StatusCode::SERVICE_UNAVAILABLE && text(&OUTCOME) == Some(REJECTED) {
        return Verdict::REFUSED;
    }
    let is_grpc = text(&CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/grpc"));
    let judged = match text(&GRPC_STATUS).filter(|_| is_grpc && status.is_success()) {
        Some(code) => classify::grpc(code.parse().unwrap_or(u32::MAX), text(&GRPC_PUSHBACK)),
        None => {
            let wait = text(&RETRY_AFTER).map(|wait| in_seconds(wait, text(&DATE)));
            classify::http(status.as_u16(), wait.as_deref())
        }
    };
    let final_word = headers.get_all(RETRY).iter().any(|value| value == NO);
    Verdict { retryable: judged.retryable && !final_word, ..judged }
}

/// A `Retry-After` in seconds: a date is turned into the seconds until then, everything else is as it was.
fn in_seconds<'a>(retry_after: &'a str, date: Option<&str>) -> Cow<'a, str> {
    let parse = |date: &str| httpdate::parse_http_date(date.trim()).ok();
    match (parse(retry_after), date.and_then(parse)) {
        (Some(then), Some(sent)) => {
            then.duration_since(sent).unwrap_or_default().as_secs().to_string().into()
        }
        _ => retry_after.into(),
    }
}

/// Whether a request may be sent again: its method is idempotent (RFC 9110 §9.2.2), or it carries an `Idempotency-Key`.
pub fn is_replayable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent() || headers.contains_key(IDEMPOTENCY_KEY)
}

/// Judges responses by [`verdict`], and errors by `F`.
#[derive(Clone, Copy, Debug)]
pub struct HttpClassify<F = AnyError>(F);

/// Every error is a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyError;

impl HttpClassify {
    /// Judges responses, and takes every error for a failure.
    pub const fn new() -> Self {
        HttpClassify(AnyError)
    }
}

impl Default for HttpClassify {
    fn default() -> Self {
        HttpClassify::new()
    }
}

impl<F> HttpClassify<F> {
    /// What an error of the client says about the dependency.
    ///
    /// ```
    /// use fusebox::{Failure, Verdict, http::HttpClassify};
    /// # enum Error { Connect, Other }
    /// let classify = HttpClassify::new().errors(|error: &Error| match error {
    ///     Error::Connect => Verdict::failure(Failure::Connect),
    ///     Error::Other => Verdict::failure(Failure::Reset),
    /// });
    /// # let _ = classify;
    /// ```
    pub fn errors<E, G: Fn(&E) -> Verdict>(self, judge: G) -> HttpClassify<G> {
        HttpClassify(judge)
    }
}

impl<B, E> Classify<Response<B>, E> for HttpClassify {
    fn classify(&self, result: &Result<Response<B>, E>) -> Verdict {
        match result {
            Ok(response) => verdict(response.status(), response.headers()),
            Err(_) => Verdict::failure(Failure::Error),
        }
    }
}

impl<B, E, F: Fn(&E) -> Verdict> Classify<Response<B>, E> for HttpClassify<F> {
    fn classify(&self, result: &Result<Response<B>, E>) -> Verdict {
        match result {
            Ok(response) => verdict(response.status(), response.headers()),
            Err(error) => self.0(error),
        }
    }
}

/// The replay rule for Tower: sends again what [`is_replayable`], and nothing else. The body is cloned for it, so it is
/// one that is held whole, such as `http_body_util::Full`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idempotent;

#[cfg(feature = "tower")]
impl<S: Clone, B: Clone> crate::tower::Replay<S, ::http::Request<B>> for Idempotent {
    fn may(&self, request: &::http::Request<B>) -> bool {
        is_replayable(request.method(), request.headers())
    }

    fn copy(&self, service: &S, request: &::http::Request<B>) -> Option<(S, ::http::Request<B>)> {
        Some((service.clone(), request.clone()))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn keep(&self, service: &mut S, request: ::http::Request<B>) -> Option<(S, ::http::Request<B>)> {
        crate::tower::Always.keep(service, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Outcome};

    fn judged<const N: usize>(status: u16, headers: [(&'static str, &'static str); N]) -> Verdict {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let pairs =
            headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        response.headers_mut().extend(pairs);
        HttpClassify::new().classify(&Ok::<_, ()>(response))
    }

    fn waits(verdict: Verdict) -> Option<u32> {
        match verdict.outcome {
            Outcome::Failure(Failure::Overloaded { retry_after_secs }) => Some(retry_after_secs),
            _ => None,
        }
    }

    #[test]
    fn a_response_is_judged_by_its_status() {
        assert_eq!(judged(404, []), Verdict::SUCCESS);
        assert_eq!(judged(500, []), Verdict::failure(Failure::Status(500)));
        assert_eq!(waits(judged(429, [("retry-after", "7")])), Some(7));
    }

    #[test]
    fn a_date_is_read_against_the_responses_own() {
        let date = ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(waits(judged(503, [date, ("date", "Fri, 31 Dec 1999 23:59:20 GMT")])), Some(39));
        assert_eq!(waits(judged(503, [date, ("date", "Fri, 31 Dec 1999 23:59:59 GMT")])), Some(0));
        assert_eq!(waits(judged(503, [date, ("date", "Sat, 01 Jan 2000 00:00:09 GMT")])), Some(0));
        assert_eq!(waits(judged(503, [date])), Some(0));
    }

    #[test]
    fn another_fuseboxs_refusal_is_no_evidence() {
        assert_eq!(judged(503, [("fusebox-outcome", "rejected")]), Verdict::REFUSED);
        assert_eq!(judged(504, [("fusebox-outcome", "timed_out")]), Verdict::failure(Failure::Status(504)));
        assert_eq!(judged(200, [("fusebox-outcome", "rejected")]), Verdict::SUCCESS);
    }

    #[test]
    fn who_asks_not_to_be_tried_again_is_not() {
        assert_eq!(judged(500, [("fusebox-retry", "no")]), Verdict::final_failure(Failure::Status(500)));
        assert_eq!(judged(500, [("fusebox-retry", "maybe")]), Verdict::failure(Failure::Status(500)));
        assert_eq!(judged(200, [("fusebox-retry", "no")]), Verdict::SUCCESS);
    }

    #[test]
    fn a_grpc_status_in_the_head_is_judged_as_one() {
        let grpc = ("content-type", "application/grpc+proto");
        assert_eq!(judged(200, [grpc]), Verdict::SUCCESS);
        assert_eq!(judged(200, [grpc, ("grpc-status", "5")]), Verdict::SUCCESS);
        assert_eq!(judged(200, [grpc, ("grpc-status", "14")]), Verdict::failure(Failure::Status(503)));
        assert_eq!(judged(200, [grpc, ("grpc-status", "x")]), Verdict::failure(Failure::Status(500)));
        let pushed_back = [grpc, ("grpc-status", "8"), ("grpc-retry-pushback-ms", "2001")];
        assert_eq!(waits(judged(200, pushed_back)), Some(3));
        assert_eq!(judged(502, [grpc, ("grpc-status", "5")]), Verdict::failure(Failure::Status(502)));
        assert_eq!(judged(200, [("grpc-status", "14")]), Verdict::SUCCESS, "not gRPC");
    }

    #[test]
    fn errors_are_judged_as_it_is_told() {
        let lost = || Err::<Response<()>, _>(Error::Failed("lost"));
        assert_eq!(HttpClassify::new().classify(&lost()), Verdict::failure(Failure::Error));
        let reset = HttpClassify::new().errors(|_: &Error<&str>| Verdict::failure(Failure::Reset));
        assert_eq!(reset.classify(&lost()), Verdict::failure(Failure::Reset));
    }

    #[test]
    fn a_key_makes_any_method_replayable() {
        let (none, mut key) = (HeaderMap::new(), HeaderMap::new());
        key.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("7f3a"));
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(is_replayable(&method, &none), "{method}");
        }
        for method in [Method::POST, Method::PATCH] {
            assert!(!is_replayable(&method, &none) && is_replayable(&method, &key), "{method}");
        }
    }
}
