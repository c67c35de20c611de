//! What a half-open phase has seen: a list of leases, two counts and a stopwatch.

use super::evidence::reaches;
use fusebox_core::Time;
use fusebox_core::breaker::{Config, HalfOpen, ProbeCounts};

#[derive(Default)]
pub(super) struct Probes {
    leases: Vec<(u64, Time)>,
    next: u64,
    good: u32,
    bad: u32,
    used: u64,  // nanoseconds with a probe in flight
    upto: Time, // until when they are counted
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Undecided,
    Close(u32),
    Reopen(u32),
}

impl Probes {
    pub(super) fn are_all_out(&self, config: &Config) -> bool {
        self.leases.len() as u32 >= config.half_open_probes
    }

    pub(super) fn begin(&mut self, now: Time, ends: Time) -> u64 {
        self.run_stopwatch(now);
        self.next += 1;
        self.leases.push((self.next, ends));
        self.next
    }

    /// Gives a slot back; `false` if it was given back already.
    pub(super) fn end(&mut self, probe: u64, now: Time) -> bool {
        self.run_stopwatch(now);
        let before = self.leases.len();
        self.leases.retain(|(id, _)| *id != probe);
        self.leases.len() < before
    }

    pub(super) fn judge(&mut self, config: &Config, good: bool) -> Fate {
        *(if good { &mut self.good } else { &mut self.bad }) += 1;
        let (reopen, close) = match config.half_open {
            HalfOpen::Count { success_threshold, probe_failures } => {
                (self.bad >= probe_failures, self.good >= success_threshold)
            }
            HalfOpen::Sample { sample, failure_rate } => {
                let bad = reaches(failure_rate, u64::from(self.bad), u64::from(sample));
                (bad, self.good + self.bad == sample)
            }
        };
        match (reopen, close) {
            (true, _) => Fate::Reopen(self.bad),
            (_, true) => Fate::Close(self.good),
            _ => Fate::Undecided,
        }
    }

    pub(super) fn first_lease(&self) -> Option<(u64, Time)> {
        self.leases.iter().copied().min_by_key(|(_, ends)| *ends)
    }

    /// When the phase reaches its limit, if no probe comes back before.
    pub(super) fn limit_at(&self, config: &Config) -> Option<Time> {
        let limit = config.half_open_limit.filter(|_| !self.leases.is_empty())?;
        Some(self.upto.plus_nanos(limit.as_nanos() as u64 - self.used))
    }

    pub(super) fn counts(&self) -> ProbeCounts {
        ProbeCounts { in_flight: self.leases.len() as u32, good: self.good, bad: self.bad }
    }

    fn run_stopwatch(&mut self, now: Time) {
        if !self.leases.is_empty() {
            self.used += now.nanos_since(self.upto);
        }
        self.upto = now;
    }
}
