//! What an attempt was, for the policies.

use core::fmt;
use core::time::Duration;

/// What an attempt was *for the policies*. Whether it was slow is measured, not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The dependency did its work. A client error (HTTP 4xx) is one: the dependency answered.
    Success,
    /// The dependency failed.
    Failure(Failure),
    /// Says nothing of the dependency's health; counted in its own counter only.
    Ignored,
    /// The caller went away before there was an answer.
    Cancelled,
}

/// In which way a dependency failed. Kept with a trip, so that the reason can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Failure {
    /// The callee returned an error.
    Error,
    /// No answer within the attempt's timeout.
    Timeout,
    /// No connection could be made.
    Connect,
    /// The connection broke before the answer was whole.
    Reset,
    /// The answer was not what the protocol allows.
    Malformed,
    /// The protected function panicked.
    Panic,
    /// An attempt's caller went away, and the circuit counts that as a failure.
    Cancelled,
    /// The answer took `slow_call_duration` or longer, and the circuit counts that as a failure.
    Slow,
    /// An HTTP status of the 5xx class.
    Status(u16),
    /// The dependency asked for less (HTTP 429, or 503 with `Retry-After`). Counts toward rates and fails a
    /// probe, but does not extend the run of consecutive failures.
    Overloaded {
        /// Seconds the dependency asked us to wait; 0 when it named none.
        retry_after_secs: u32,
    },
}

impl Failure {
    /// The wait the dependency asked for, if it named one.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Failure::Overloaded { retry_after_secs: 1.. } => {
                Some(Duration::from_secs(self.retry_after_secs()))
            }
            _ => None,
        }
    }

    fn retry_after_secs(self) -> u64 {
        match self {
            Failure::Overloaded { retry_after_secs } => u64::from(retry_after_secs),
            _ => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Failure::Error => f.write_str("error"),
            Failure::Timeout => f.write_str("timeout"),
            Failure::Connect => f.write_str("no connection"),
            Failure::Reset => f.write_str("connection broken"),
            Failure::Malformed => f.write_str("malformed answer"),
            Failure::Panic => f.write_str("panic"),
            Failure::Cancelled => f.write_str("cancelled"),
            Failure::Slow => f.write_str("slow"),
            Failure::Status(code) => write!(f, "status {code}"),
            Failure::Overloaded { retry_after_secs: 0 } => f.write_str("overloaded"),
            Failure::Overloaded { retry_after_secs } => {
                write!(f, "overloaded, retry after {retry_after_secs} s")
            }
        }
    }
}

/// A classifier's answer about one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// What the attempt was.
    pub outcome: Outcome,
    /// Whether another attempt is safe and sensible. Never true for anything but a failure.
    pub retryable: bool,
    /// Whether the attempt was refused further on, by another circuit: no evidence here, but a fallback answers, as it does
    /// for a rejection of this pipeline's own.
    pub refused: bool,
}

impl Verdict {
    /// The dependency did its work.
    pub const SUCCESS: Verdict = Verdict { outcome: Outcome::Success, retryable: false, refused: false };
    /// Says nothing of the dependency.
    pub const IGNORED: Verdict = Verdict { outcome: Outcome::Ignored, retryable: false, refused: false };
    /// Another circuit refused the call, in this process or behind a proxy or a mesh that says so.
    pub const REFUSED: Verdict = Verdict { refused: true, ..Verdict::IGNORED };

    /// A failure that another attempt may mend.
    pub const fn failure(kind: Failure) -> Self {
        Verdict { outcome: Outcome::Failure(kind), retryable: true, refused: false }
    }

    /// A failure that must not be attempted again, for instance because the call is not safe to replay.
    pub const fn final_failure(kind: Failure) -> Self {
        Verdict { outcome: Outcome::Failure(kind), retryable: false, refused: false }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Source {
    /// The dependency itself.
    Live,
    /// A kept answer that is still fresh.
    Cached,
    /// A kept answer that is past its time.
    Stale {
        /// How long ago it was live.
        age: Duration,
    },
    /// Another service or endpoint.
    Alternative,
    /// Another region.
    OtherRegion,
    /// A default value or function.
    Default,
    /// Nowhere yet: the call is kept and made later, under this number.
    Deferred {
        /// The deferred call.
        id: u64,
    },
}
