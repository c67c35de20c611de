//! What a protected call can end with.

use fusebox_core::breaker::{ConfigError, Trip};
use fusebox_core::{Reason, Time};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a protected call gave no answer. Reads after "failed to".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error<E> {
    /// Refused before it reached the dependency.
    Rejected(Rejected),
    /// The last attempt ran into its timeout.
    TimedOut,
    /// The whole call ran into its deadline.
    DeadlineExceeded,
    /// The dependency's own error.
    Failed(E),
}

impl<E> Error<E> {
    /// The dependency's own error, if it was called and answered with one.
    pub fn failed(self) -> Option<E> {
        match self {
            Error::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the call was refused.
    pub fn is_rejected(&self) -> bool {
        matches!(self, Error::Rejected(_))
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Rejected(rejected) => rejected.fmt(f),
            Error::TimedOut => f.write_str("get an answer within the timeout of an attempt"),
            Error::DeadlineExceeded => f.write_str("get an answer within the deadline of the call"),
            Error::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Failed(error) => Some(error),
            Error::Rejected(rejected) => Some(rejected),
            Error::TimedOut | Error::DeadlineExceeded => None,
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Error::Rejected(rejected)
    }
}

/// A refusal: by which circuit, why, and until when.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rejected {
    /// The circuit's name.
    pub circuit: Arc<str>,
    /// Why.
    pub reason: Reason,
    /// How long until the same call may be admitted; `None` if that is not known.
    pub retry_after: Option<Duration>,
    /// The moment that is, on the circuit's clock.
    pub retry_at: Time,
    /// What had opened the circuit: the rule and its numbers.
    pub trip: Option<Box<Trip>>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {}", self.circuit, self.reason)?;
        if let (Some(trip), Reason::Open | Reason::HalfOpenFull) = (&self.trip, self.reason) {
            write!(f, ": {trip}")?;
        }
        match self.retry_after {
            Some(after) => write!(f, "; retry in {:.1} s", after.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Rejected {}

/// A configuration that can never work: every field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig(pub Vec<ConfigError>);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

impl From<Vec<ConfigError>> for InvalidConfig {
    fn from(errors: Vec<ConfigError>) -> Self {
        InvalidConfig(errors)
    }
}
