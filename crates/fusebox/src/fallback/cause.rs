//! Why a fallback is asked.

use crate::error::Error;
use std::fmt;

/// Why a fallback is asked.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause<'a, T, E> {
    /// The call has no answer.
    Error(&'a Error<E>),
    /// The call has an answer, and the classifier calls it a failure: an HTTP response with status 500, say.
    Answer(&'a T),
}

impl<'a, T, E> Cause<'a, T, E> {
    pub(crate) fn of(result: &'a Result<T, Error<E>>) -> Self {
        match result {
            Ok(value) => Cause::Answer(value),
            Err(error) => Cause::Error(error),
        }
    }

    /// Whether a policy refused the call.
    pub fn is_rejected(self) -> bool {
        matches!(self, Cause::Error(Error::Rejected(_)))
    }

    /// The call's error, if it has one.
    pub fn error(self) -> Option<&'a Error<E>> {
        match self {
            Cause::Error(error) => Some(error),
            Cause::Answer(_) => None,
        }
    }
}

impl<T, E> Clone for Cause<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Cause<'_, T, E> {}

impl<T, E: fmt::Display> fmt::Display for Cause<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Error(error) => error.fmt(f),
            Cause::Answer(_) => f.write_str("get an answer that is not a failure"),
        }
    }
}
