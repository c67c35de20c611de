//! Classifiers: what a result says about the dependency.

use crate::error::Error;
use fusebox_core::{Failure, Verdict};

/// Turns a call's result into a [`Verdict`] for the policies.
///
/// Closures are classifiers:
///
/// ```
/// use fusebox::{CircuitBreaker, Failure, Verdict};
/// use std::io::{Error, ErrorKind};
///
/// let files = CircuitBreaker::new("files");
/// let not_found_is_fine = |result: &Result<String, Error>| match result {
///     Err(e) if e.kind() == ErrorKind::NotFound => Verdict::SUCCESS,
///     Err(_) => Verdict::failure(Failure::Error),
///     Ok(_) => Verdict::SUCCESS,
/// };
/// let result = files.call_with(not_found_is_fine, || Err(Error::from(ErrorKind::NotFound)));
/// assert!(result.is_err());
/// ```
pub trait Classify<T, E> {
    /// What `result` says about the dependency.
    fn classify(&self, result: &Result<T, E>) -> Verdict;
}

impl<T, E, F: Fn(&Result<T, E>) -> Verdict> Classify<T, E> for F {
    fn classify(&self, result: &Result<T, E>) -> Verdict {
        self(result)
    }
}

/// `Ok` is a success and `Err` a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Results;

impl<T, E> Classify<T, E> for Results {
    #[inline(always)]
    fn classify(&self, result: &Result<T, E>) -> Verdict {
        match result {
            Ok(_) => Verdict::SUCCESS,
            Err(_) => Verdict::failure(Failure::Error),
        }
    }
}

/// As [`Results`], for calls that pass another circuit inside: its refusal says nothing of *this* dependency and is
/// ignored, but a fallback answers it.
///
/// ```
/// use fusebox::{CircuitBreaker, Nested};
///
/// let (service, shard) = (CircuitBreaker::new("service"), CircuitBreaker::new("service/shard-7"));
/// let result = service.call_with(Nested, || shard.call(|| query()));
/// # assert!(result.is_ok());
/// # fn query() -> Result<u32, std::io::Error> { Ok(1) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Nested;

impl<T, E> Classify<T, Error<E>> for Nested {
    fn classify(&self, result: &Result<T, Error<E>>) -> Verdict {
        match result {
            Err(Error::Rejected(_)) => Verdict::REFUSED,
            Err(Error::TimedOut | Error::DeadlineExceeded) => Verdict::failure(Failure::Timeout),
            _ => Results.classify(result),
        }
    }
}

/// What an HTTP response says about the dependency that sent it.
///
/// A client error (4xx) is a success: the dependency did its work. 429, and 503 with `Retry-After`, mean overload:
/// they count as failures but do not extend the run of consecutive ones, and the wait they name is obeyed. Every other
/// 5xx is a failure.
///
/// `retry_after` is the header's value; seconds (RFC 9110 §10.2.3) are understood, dates are taken for "no wait named",
/// because a date means nothing without a wall clock. The proxy has one, and turns dates into seconds first.
pub fn http(status: u16, retry_after: Option<&str>) -> Verdict {
    let wait = || retry_after.map_or(0, seconds);
    match status {
        429 => Verdict::failure(Failure::Overloaded { retry_after_secs: wait() }),
        503 if retry_after.is_some() => Verdict::failure(Failure::Overloaded { retry_after_secs: wait() }),
        500.. => Verdict::failure(Failure::Status(status)),
        _ => Verdict::SUCCESS,
    }
}

/// What a gRPC status says about the dependency that sent it. `code` is its number: `status.code() as u32` in tonic.
///
/// A code that names a fault of the caller or of its data is a success: the dependency did its work. So are `ABORTED`,
/// a lost race that only the caller can begin anew, and `UNIMPLEMENTED`, since more health brings no method. The rest are
/// failures, told as the HTTP status that `google/rpc/code.proto` gives for the code; codes that are not assigned count
/// as `UNKNOWN`. `CANCELLED` says nothing of the dependency.
///
/// `pushback` is the value of the metadata key `grpc-retry-pushback-ms` (gRPC proposal A6): the milliseconds to wait, and
/// a negative number, or none at all, asks not to be called again. `RESOURCE_EXHAUSTED`, and `UNAVAILABLE` with a
/// pushback, mean overload.
///
/// ```
/// use fusebox::{Failure, Verdict, classify};
///
/// const NOT_FOUND: u32 = 5;
/// const UNAVAILABLE: u32 = 14;
/// assert_eq!(classify::grpc(NOT_FOUND, None), Verdict::SUCCESS);
/// assert_eq!(classify::grpc(UNAVAILABLE, None), Verdict::failure(Failure::Status(503)));
/// let overloaded = Failure::Overloaded { retry_after_secs: 2 };
/// assert_eq!(classify::grpc(UNAVAILABLE, Some("1500")), Verdict::failure(overloaded));
/// ```
pub fn grpc(code: u32, pushback: Option<&str>) -> Verdict {
    const CANCELLED: u32 = 1;
    const DEADLINE_EXCEEDED: u32 = 4;
    const RESOURCE_EXHAUSTED: u32 = 8;
    const UNAVAILABLE: u32 = 14;
    const DATA_LOSS: u32 = 15;
    const SUCCESSES: [u32; 10] = [0, 3, 5, 6, 7, 9, 10, 11, 12, 16];

    let wait = pushback.map(|millis| millis.trim().parse::<u32>());
    let overloaded = || {
        let millis = wait.as_ref().and_then(|wait| wait.as_ref().ok());
        Failure::Overloaded { retry_after_secs: millis.map_or(0, |millis| millis.div_ceil(1_000)) }
    };
    let kind = match code {
        CANCELLED => return Verdict::IGNORED,
        _ if SUCCESSES.contains(&code) => return Verdict::SUCCESS,
        DEADLINE_EXCEEDED => Failure::Timeout,
        RESOURCE_EXHAUSTED => overloaded(),
        UNAVAILABLE if pushback.is_some() => overloaded(),
        UNAVAILABLE => Failure::Status(503),
        _ => Failure::Status(500),
    };
    match wait {
        Some(Err(_)) => Verdict::final_failure(kind),
        _ if code == DATA_LOSS => Verdict::final_failure(kind),
        _ => Verdict::failure(kind),
    }
}

/// Whole seconds; what is too large is the largest there is, and what is no number names no wait.
fn seconds(value: &str) -> u32 {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { value.parse().unwrap_or(u32::MAX) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fusebox_core::Outcome;

    #[test]
    fn the_dependency_is_judged_not_the_client() {
        for success in [200, 204, 301, 400, 401, 404, 409, 499] {
            assert_eq!(http(success, None), Verdict::SUCCESS, "{success}");
        }
        for failure in [500, 501, 502, 503, 504, 505, 599] {
            assert_eq!(http(failure, None), Verdict::failure(Failure::Status(failure)));
        }
    }

    #[test]
    fn another_circuits_refusal_is_ignored_and_its_failures_are_failures() {
        let inner = crate::CircuitBreaker::new("inner");
        let failed = inner.call(|| Err::<(), _>("down"));
        assert_eq!(Nested.classify(&failed), Verdict::failure(Failure::Error));
        for _ in 1..10 {
            let _ = inner.call(|| Err::<(), _>("down"));
        }
        assert_eq!(Nested.classify(&inner.call(|| Ok::<_, &str>(()))), Verdict::REFUSED);
        for late in [Error::<()>::TimedOut, Error::DeadlineExceeded] {
            assert_eq!(Nested.classify(&Err::<(), _>(late)), Verdict::failure(Failure::Timeout));
        }
        assert_eq!(Nested.classify(&Ok::<_, Error<()>>(1)), Verdict::SUCCESS);
    }

    #[test]
    fn overload_carries_the_wait_it_asks_for() {
        let overloaded = |retry_after_secs| Outcome::Failure(Failure::Overloaded { retry_after_secs });
        assert_eq!(http(429, None).outcome, overloaded(0));
        assert_eq!(http(429, Some("7")).outcome, overloaded(7));
        assert_eq!(http(503, Some(" 120 ")).outcome, overloaded(120));
        assert_eq!(http(503, Some("Fri, 31 Dec 1999 23:59:59 GMT")).outcome, overloaded(0));
        assert_eq!(http(503, Some("99999999999999999999")).outcome, overloaded(u32::MAX));
        assert_eq!(http(503, Some("-1")).outcome, overloaded(0));
    }

    #[test]
    fn a_grpc_code_blames_the_caller_or_the_dependency() {
        for success in [0, 3, 5, 6, 7, 9, 10, 11, 12, 16] {
            assert_eq!(grpc(success, None), Verdict::SUCCESS, "{success}");
        }
        assert_eq!(grpc(1, None), Verdict::IGNORED);
        assert_eq!(grpc(4, None), Verdict::failure(Failure::Timeout));
        assert_eq!(grpc(8, None), Verdict::failure(Failure::Overloaded { retry_after_secs: 0 }));
        for (code, status) in [(2, 500), (13, 500), (14, 503), (17, 500), (u32::MAX, 500)] {
            assert_eq!(grpc(code, None), Verdict::failure(Failure::Status(status)), "{code}");
        }
        assert_eq!(grpc(15, None), Verdict::final_failure(Failure::Status(500)), "what is lost stays lost");
    }

    #[test]
    fn a_grpc_pushback_is_waited_for_or_ends_it() {
        let overloaded = |retry_after_secs| Failure::Overloaded { retry_after_secs };
        for code in [8, 14] {
            assert_eq!(grpc(code, Some("1")), Verdict::failure(overloaded(1)), "{code}");
            assert_eq!(grpc(code, Some("3000")), Verdict::failure(overloaded(3)), "{code}");
            for no in ["-1", "", "soon"] {
                assert_eq!(grpc(code, Some(no)), Verdict::final_failure(overloaded(0)), "{code} {no:?}");
            }
        }
        assert_eq!(grpc(13, Some("-1")), Verdict::final_failure(Failure::Status(500)));
        assert_eq!(grpc(0, Some("-1")), Verdict::SUCCESS);
    }
}
