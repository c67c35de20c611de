//! In which ways attempts failed, and the last ones that did.

use super::trace::TraceId;
use crate::{Failure, Time};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Failing calls that are kept.
pub const KEPT: usize = 20;
/// Kinds that are counted apart. A dependency may answer with any status; the rest is counted together.
const KINDS: usize = 16;
/// The longest description of a call: paths come from outside.
const LONGEST: usize = 96;

/// What they take up at most, but for the calls' descriptions.
#[cfg(test)]
pub(super) const MOST_BYTES: usize = KEPT * size_of::<FailedCall>() + KINDS * size_of::<(Failure, u64)>();

/// An attempt that failed. No body, no header, no query: nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCall {
    /// When, on the circuit's clock.
    pub at: Time,
    /// In which way.
    pub kind: Failure,
    /// How long it took.
    pub took: Duration,
    /// What was asked for, such as `GET /charge`, cut after 96 bytes; without a query.
    pub what: Option<Arc<str>>,
    /// The endpoint that was asked.
    pub endpoint: Option<Arc<str>>,
    /// The trace that the call belongs to.
    pub trace: Option<TraceId>,
}

impl FailedCall {
    /// An attempt of which nothing else is known.
    pub fn new(kind: Failure, took: Duration, at: Time) -> FailedCall {
        FailedCall { at, kind, took, what: None, endpoint: None, trace: None }
    }

    /// What was asked for; the rest of a long text is left away.
    #[must_use]
    pub fn what(mut self, what: &str) -> FailedCall {
        let what = what.split(['?', '#']).next().unwrap_or_default();
        let mut end = what.len().min(LONGEST);
        while !what.is_char_boundary(end) {
            end -= 1;
        }
        self.what = Some(if end < what.len() { format!("{}…", &what[..end]).into() } else { what.into() });
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct Failures {
    kinds: Vec<(Failure, u64)>,
    /// Of kinds that found no place.
    others: u64,
    calls: VecDeque<FailedCall>,
}

/// Counts by kind, the most frequent first; `None` stands for those that are not counted apart.
pub(super) type Kinds = Vec<(Option<Failure>, u64)>;

impl Failures {
    /// Adds a call; the one that had to make room for it.
    pub(super) fn add(&mut self, call: FailedCall) -> Option<FailedCall> {
        self.count(alike(call.kind));
        let gone = if self.calls.len() == KEPT { self.calls.pop_front() } else { None };
        self.calls.reserve_exact(1);
        self.calls.push_back(call);
        gone
    }

    fn count(&mut self, kind: Failure) {
        match self.kinds.iter().position(|(known, _)| *known == kind) {
            Some(at) => self.kinds[at].1 += 1,
            None if self.kinds.len() < KINDS => {
                self.kinds.reserve_exact(1);
                self.kinds.push((kind, 1));
            }
            None => self.others += 1,
        }
    }

    pub(super) fn read(&self) -> (Kinds, Vec<FailedCall>) {
        let mut kinds: Kinds = self.kinds.iter().map(|(kind, count)| (Some(*kind), *count)).collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds.extend((self.others > 0).then_some((None, self.others)));
        (kinds, self.calls.iter().rev().cloned().collect())
    }
}

/// However long the dependency asks to be left alone, it is one kind.
fn alike(kind: Failure) -> Failure {
    match kind {
        Failure::Overloaded { .. } => Failure::Overloaded { retry_after_secs: 0 },
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Failure) -> FailedCall {
        FailedCall::new(kind, Duration::ZERO, Time::ZERO)
    }

    #[test]
    fn kinds_without_a_place_are_counted_together() {
        let mut failures = Failures::default();
        for status in (500..520).chain([503, 503]) {
            failures.add(failed(Failure::Status(status)));
        }
        let (kinds, _) = failures.read();
        assert_eq!(kinds.len(), KINDS + 1);
        assert_eq!(kinds[0], (Some(Failure::Status(503)), 3));
        assert_eq!(kinds[KINDS], (None, 4));
    }

    #[test]
    fn whatever_wait_it_names_an_overload_is_one_kind() {
        let mut failures = Failures::default();
        for retry_after_secs in 0..5 {
            failures.add(failed(Failure::Overloaded { retry_after_secs }));
        }
        assert_eq!(failures.read().0, [(Some(Failure::Overloaded { retry_after_secs: 0 }), 5)]);
        assert_eq!(failures.calls[4].kind, Failure::Overloaded { retry_after_secs: 4 }, "as it was");
    }

    #[test]
    fn a_description_has_no_query_and_an_end() {
        let what = |text: &str| failed(Failure::Error).what(text).what.expect("said").to_string();
        assert_eq!(what("GET /charge?card=4111"), "GET /charge");
        assert_eq!(what(&format!("GET /{}", "ä".repeat(200))), format!("GET /{}…", "ä".repeat(45)));
    }
}
