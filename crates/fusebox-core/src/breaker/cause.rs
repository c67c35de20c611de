//! Why a circuit changed its state.

use super::Window;
use crate::{Failure, Ratio, Time};
use core::fmt;
use core::time::Duration;

/// A state of the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum State {
    /// Calls pass and are measured.
    Closed = 0,
    /// Calls are rejected.
    Open = 1,
    /// A few probes pass; the rest is rejected.
    HalfOpen = 2,
}

impl State {
    /// Every state, in the order of the metric's values 0, 1, 2.
    pub const ALL: [State; 3] = [State::Closed, State::Open, State::HalfOpen];

    /// The state as it stands in labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that can trip a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Rule {
    /// Failures in a row.
    ConsecutiveFailures,
    /// Failures in the window.
    FailureCount,
    /// The share of failures in the window.
    FailureRate,
    /// The share of slow and hung calls in the window.
    SlowCallRate,
}

impl Rule {
    /// The rule by its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::ConsecutiveFailures => "consecutive_failures",
            Rule::FailureCount => "failure_count",
            Rule::FailureRate => "failure_rate",
            Rule::SlowCallRate => "slow_call_rate",
        }
    }
}

/// A trip: the rule that fired, its numbers, and what the last failures were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trip {
    /// The rule that fired. Where several hold, the first in the order of [`Rule`].
    pub rule: Rule,
    /// What was counted: failures, failures in a row, or slow and hung calls.
    pub counted: u64,
    /// The calls it is counted over; for a rate, finished and hung ones.
    pub calls: u64,
    /// The threshold, for rules that count.
    pub threshold: u64,
    /// The threshold, for rules that are rates.
    pub rate: Option<Ratio>,
    /// How many of `counted` are in flight past the slow threshold.
    pub hung: u64,
    /// What the window remembers.
    pub window: Window,
    /// What the latest failures were, the newest last.
    pub failures: RecentFailures,
    /// When it tripped.
    pub at: Time,
}

impl Trip {
    /// The measured share, for rules that are rates.
    pub fn measured(&self) -> Option<f64> {
        self.rate.map(|_| if self.calls == 0 { 0.0 } else { self.counted as f64 / self.calls as f64 })
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.as_str();
        match (self.rate, self.measured()) {
            (Some(rate), Some(measured)) => {
                write!(f, "{rule} {measured:.2} ≥ {rate} over {} calls", self.calls)?;
            }
            _ => write!(f, "{rule} {} ≥ {}", self.counted, self.threshold)?,
        }
        if self.rule != Rule::ConsecutiveFailures {
            match self.window {
                Window::Time(span) => write!(f, " in {span:?}")?,
                Window::Calls(n) => write!(f, " in a window of {n} calls")?,
            }
        }
        if self.hung > 0 {
            write!(f, ", {} of them hung", self.hung)?;
        }
        if !self.failures.is_empty() {
            write!(f, " (last: {})", self.failures)?;
        }
        Ok(())
    }
}

/// The kinds of the latest failures, at most four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentFailures {
    kinds: [Option<Failure>; 4],
}

impl RecentFailures {
    /// The newest last.
    pub fn iter(&self) -> impl Iterator<Item = Failure> {
        self.kinds.into_iter().flatten()
    }

    /// Whether nothing failed yet.
    pub fn is_empty(&self) -> bool {
        self.kinds[3].is_none()
    }

    pub(super) fn push(&mut self, kind: Failure) {
        self.kinds.rotate_left(1);
        self.kinds[3] = Some(kind);
    }
}

impl fmt::Display for RecentFailures {
    /// Runs of one kind are told once: `timeout ×3, status 503`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = self.iter().peekable();
        while let Some(kind) = kinds.next() {
            let mut times = 1;
            while kinds.next_if_eq(&kind).is_some() {
                times += 1;
            }
            kind.fmt(f)?;
            if times > 1 {
                write!(f, " ×{times}")?;
            }
            if kinds.peek().is_some() {
                f.write_str(", ")?;
            }
        }
        Ok(())
    }
}

/// What moved a circuit from one state to another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// A rule fired.
    Tripped(Trip),
    /// The wait in open is over.
    WaitOver,
    /// Enough good probes.
    Recovered {
        /// Good probes of the phase.
        good: u32,
    },
    /// Too many bad probes, or closing has become impossible.
    ProbesFailed {
        /// Bad probes of the phase.
        bad: u32,
        /// What the last of them was; `None` when its lease ended without a verdict.
        last: Option<Failure>,
    },
    /// The half-open phase ran into `half_open_limit`.
    PhaseLimit(Duration),
    /// An operator forced or reset it.
    Operator,
    /// An operator's override ended.
    OverrideEnded,
    /// Taken up again after a restart.
    Restored,
    /// fusebox itself failed inside; the circuit starts afresh.
    InternalFault,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Tripped(trip) => trip.fmt(f),
            Cause::WaitOver => f.write_str("the wait is over"),
            Cause::Recovered { good } => write!(f, "{good} good probes"),
            Cause::ProbesFailed { bad: 1, last: Some(kind) } => write!(f, "a probe failed: {kind}"),
            Cause::ProbesFailed { bad, last: Some(kind) } => {
                write!(f, "{bad} probes failed, the last: {kind}")
            }
            Cause::ProbesFailed { last: None, .. } => f.write_str("a probe's lease ended without a verdict"),
            Cause::PhaseLimit(limit) => write!(f, "not recovered within half_open_limit {limit:?}"),
            Cause::Operator => f.write_str("an operator's decision"),
            Cause::OverrideEnded => f.write_str("the override ended"),
            Cause::Restored => f.write_str("restored after a restart"),
            Cause::InternalFault => f.write_str("an internal fault of fusebox"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn recent(kinds: &[Failure]) -> RecentFailures {
        let mut recent = RecentFailures::default();
        kinds.iter().for_each(|kind| recent.push(*kind));
        recent
    }

    #[test]
    fn a_trip_tells_its_rule_its_numbers_and_its_last_failures() {
        let trip = Trip {
            rule: Rule::FailureRate,
            counted: 51,
            calls: 84,
            threshold: 0,
            rate: Some(Ratio::HALF),
            hung: 0,
            window: Window::Time(Duration::from_secs(60)),
            failures: recent(&[Failure::Timeout, Failure::Status(500), Failure::Timeout, Failure::Timeout]),
            at: Time::ZERO,
        };
        let told = "failure_rate 0.61 ≥ 0.50 over 84 calls in 60s (last: timeout, status 500, timeout ×2)";
        assert_eq!(trip.to_string(), told);
        let run =
            Trip { rule: Rule::ConsecutiveFailures, counted: 10, threshold: 10, rate: None, hung: 4, ..trip };
        let told = "consecutive_failures 10 ≥ 10, 4 of them hung (last: timeout, status 500, timeout ×2)";
        assert_eq!(run.to_string(), told);
    }

    #[test]
    fn only_the_latest_four_failures_are_kept() {
        let kinds = [Failure::Error, Failure::Connect, Failure::Reset, Failure::Reset, Failure::Reset];
        assert_eq!(recent(&kinds).to_string(), "no connection, connection broken ×3");
        assert!(recent(&[]).is_empty());
    }
}
