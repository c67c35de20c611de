//! What came of calls, and the figures that are made of it.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// One call, as its caller or its server saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When it began, in microseconds since the run did.
    pub begun: u64,
    /// After how many microseconds it ended, however it did; none while it has not.
    pub took: Option<u64>,
    /// Whether a good answer reached its caller.
    pub answered: bool,
    /// Whether that was a fallback.
    pub fallback: bool,
}

/// What became of the calls that began in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Calls that began.
    pub asked: usize,
    /// Of those, answered within the caller's patience.
    pub answered: usize,
    /// Of those, answered by a fallback.
    pub fallback: usize,
    /// The time within which 99 of 100 calls were answered; none if fewer than that were.
    pub p99: Option<Duration>,
}

impl Call {
    /// When it began.
    pub fn begun(&self) -> Duration {
        Duration::from_micros(self.begun)
    }

    fn answered_within(&self, patience: Duration) -> Option<Duration> {
        self.took.filter(|_| self.answered).map(Duration::from_micros).filter(|took| *took <= patience)
    }
}

impl Figures {
    /// The figures of those `calls` that began within `span`; an answer after `patience` is none.
    pub fn of(calls: &[Call], span: &Range<Duration>, patience: Duration) -> Figures {
        let mut figures = Figures::default();
        let mut took = Vec::new();
        for call in calls.iter().filter(|call| span.contains(&call.begun())) {
            figures.asked += 1;
            if let Some(span) = call.answered_within(patience) {
                figures.fallback += usize::from(call.fallback);
                took.push(span);
            }
        }
        took.sort_unstable();
        figures.answered = took.len();
        // The nearest rank: the smallest of the times that at least 99 of 100 calls have kept to.
        figures.p99 =
            (figures.asked * 99).div_ceil(100).checked_sub(1).and_then(|rank| took.get(rank)).copied();
        figures
    }

    /// The share of calls that were answered, 0 to 1; none if there was no call.
    pub fn share(&self) -> Option<f64> {
        (self.asked > 0).then(|| self.answered as f64 / self.asked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn call(begun_ms: u64, took_ms: Option<u64>) -> Call {
        let took = took_ms.map(|ms| ms * 1000);
        Call { begun: begun_ms * 1000, took, answered: took.is_some(), fallback: false }
    }

    #[test]
    fn a_late_answer_is_none_and_a_call_belongs_to_the_span_it_began_in() {
        let calls = [call(0, Some(5)), call(999, Some(1001)), call(500, None), call(1000, Some(1000))];
        let first = Figures::of(&calls, &(Duration::ZERO..Duration::from_secs(1)), PATIENCE);
        assert_eq!((first.asked, first.answered, first.p99), (3, 1, None));
        let second = Figures::of(&calls, &(Duration::from_secs(1)..Duration::from_secs(2)), PATIENCE);
        assert_eq!((second.share(), second.p99), (Some(1.0), Some(PATIENCE)));
        let unheard = Call { answered: false, ..calls[0] };
        assert_eq!(Figures::of(&[unheard], &(Duration::ZERO..PATIENCE), PATIENCE).share(), Some(0.0));
        assert_eq!(Figures::of(&[], &(Duration::ZERO..PATIENCE), PATIENCE).share(), None);
    }

    #[test]
    fn one_call_in_a_hundred_may_go_unanswered_before_the_p99_is_lost() {
        let mut calls: Vec<Call> = (1..=99).map(|n| call(n, Some(n))).collect();
        calls.push(call(100, None));
        let of = |calls: &[Call]| Figures::of(calls, &(Duration::ZERO..PATIENCE), PATIENCE);
        assert_eq!(of(&calls).p99, Some(Duration::from_millis(99)));
        calls[0].answered = false;
        assert_eq!((of(&calls).answered, of(&calls).p99), (98, None));
    }
}
