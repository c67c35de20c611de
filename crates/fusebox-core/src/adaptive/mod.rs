//! Limits that find out by themselves how many calls a dependency can bear at once.
//!
//! A fixed number of places is right on the day it was measured. The algorithms here move it by what the calls
//! show: the [`Gradient`] by how much slower they are than on an idle dependency, [`Aimd`] by the calls that were
//! dropped. Both are plain sequential values: they are told one [`Sample`] for each call that ended and answer
//! with the limit.
//!
//! Four habits they share, each against a known way to go wrong:
//!
//! * **A timeout is a drop**, and its duration is not a latency: it says how long the caller waited, not how long
//!   the dependency works.
//! * **No growth that nobody asked for.** The limit grows only while at least half of it is in use. A service
//!   that calls three at a time for an hour learns nothing about thirty.
//! * **The first calls after an idle stretch move nothing.** They pay for cold caches and new connections.
//! * **The limit is never zero**, for then no call could ever raise it again.

mod aimd;
mod config;
mod gradient;
mod idle;
#[cfg(test)]
mod server;
mod shared;
#[cfg(test)]
mod tests;

pub use config::{Aimd, Config, Gradient, Settings};
pub(crate) use shared::SharedLimit;

use crate::{Failure, Outcome, Time};
use core::time::Duration;
use idle::Idle;

/// What one call that ended says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How long it took, in nanoseconds.
    pub rtt: u64,
    /// Calls in flight when it ended, itself included.
    pub in_flight: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// When it ended.
    pub now: Time,
}

impl Sample {
    /// When the call began.
    fn began(&self) -> Time {
        self.now.minus_nanos(self.rtt)
    }
}

/// What an outcome says about the dependency's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// An answer: its latency is the dependency's own.
    Answer,
    /// The dependency did not get to it, or said that it has too much to do.
    Drop,
    /// A failure that may come at any load, or a caller who went away.
    Nothing,
}

impl Evidence {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success | Outcome::Failure(Failure::Slow) => Evidence::Answer,
            Outcome::Failure(Failure::Timeout | Failure::Overloaded { .. }) => Evidence::Drop,
            Outcome::Failure(_) | Outcome::Ignored | Outcome::Cancelled => Evidence::Nothing,
        }
    }
}

/// A limit on concurrent calls that moves with what the calls show.
///
/// ```
/// # use fusebox_core::{Failure, Outcome, Time, adaptive::{Aimd, Config, Limit, Sample}};
/// # fn main() -> Result<(), Vec<fusebox_core::breaker::ConfigError>> {
/// let settings = Config::Aimd(Aimd { start: 10, ..Aimd::default() }).check()?;
/// let mut limit = Limit::new(settings, Time::ZERO);
/// let mut told = |outcome, millis| {
///     let now = Time::from_millis(millis);
///     limit.sample(Sample { rtt: 5_000_000, in_flight: 10, outcome, now })
/// };
/// // The first call of all is cold; then a round of ten answers earns one place more.
/// (1..=10).for_each(|step| assert_eq!(told(Outcome::Success, step * 10), 10));
/// assert_eq!(told(Outcome::Success, 110), 11);
/// assert_eq!(told(Outcome::Failure(Failure::Timeout), 120), 8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Limit {
    algorithm: Algorithm,
    idle: Idle,
    totals: Totals,
}

#[derive(Debug)]
enum Algorithm {
    Gradient(gradient::Machine),
    Aimd(aimd::Machine),
}

impl Limit {
    /// A limit that knows nothing yet.
    pub fn new(settings: Settings, now: Time) -> Self {
        let (algorithm, idle) = match settings.into_config() {
            Config::Gradient(config) => {
                (Algorithm::Gradient(gradient::Machine::new(config, now)), config.idle)
            }
            Config::Aimd(config) => (Algorithm::Aimd(aimd::Machine::new(config)), config.idle),
        };
        Limit { algorithm, idle: Idle::new(idle), totals: Totals::default() }
    }

    /// Takes in a call that ended and answers with the limit from now on: 1 or more, within the bounds.
    pub fn sample(&mut self, sample: Sample) -> u64 {
        let before = self.limit();
        let evidence = Evidence::of(sample.outcome);
        match evidence {
            Evidence::Answer => self.totals.answers += 1,
            Evidence::Drop => self.totals.drops += 1,
            Evidence::Nothing => self.totals.without_evidence += 1,
        }
        if self.idle.is_cold(&sample) {
            self.totals.cold += 1;
            return before;
        }
        match &mut self.algorithm {
            Algorithm::Gradient(machine) => machine.sample(&sample, evidence),
            Algorithm::Aimd(machine) => machine.sample(&sample, evidence),
        }
        let after = self.limit();
        self.totals.raised += u64::from(after > before);
        self.totals.lowered += u64::from(after < before);
        after
    }

    /// The limit now.
    pub fn limit(&self) -> u64 {
        match &self.algorithm {
            Algorithm::Gradient(machine) => machine.limit(),
            Algorithm::Aimd(machine) => machine.limit(),
        }
    }

    /// What it knows.
    pub fn snapshot(&self) -> Snapshot {
        let (algorithm, no_load_rtt, rtt, probes) = match &self.algorithm {
            Algorithm::Gradient(machine) => {
                ("gradient", machine.no_load_rtt(), machine.rtt(), machine.probes())
            }
            Algorithm::Aimd(_) => ("aimd", None, None, 0),
        };
        Snapshot { algorithm, limit: self.limit(), no_load_rtt, rtt, probes, skipped: 0, totals: self.totals }
    }
}

/// A limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// `gradient` or `aimd`.
    pub algorithm: &'static str,
    /// Calls allowed at once.
    pub limit: u64,
    /// The latency with half the limit or less in flight, as last measured. Gradient only.
    pub no_load_rtt: Option<Duration>,
    /// The mean latency of the last full window. Gradient only.
    pub rtt: Option<Duration>,
    /// How often the limit was lowered for a moment to measure the latency without load. Gradient only.
    pub probes: u64,
    /// Calls that were not looked at because another one was, at that very moment: a bulkhead's leavers do not wait.
    pub skipped: u64,
    /// Counters since the limit was made.
    pub totals: Totals,
}

/// Counters since a limit was made. They never step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Totals {
    /// Calls that were answered.
    pub answers: u64,
    /// Timeouts and refusals for overload.
    pub drops: u64,
    /// Calls that say nothing about load: other failures, ignored and cancelled ones.
    pub without_evidence: u64,
    /// Of all those, the ones not looked at because they came first after an idle stretch.
    pub cold: u64,
    /// How often the limit went up.
    pub raised: u64,
    /// How often it went down.
    pub lowered: u64,
}
