//! A half-open phase: its probes, their leases, and what they add up to.

use super::config::HalfOpen;
use super::settings::Settings;
use super::snapshot::ProbeCounts;
use crate::Time;
use crate::time::nanos;
use alloc::vec::Vec;

/// The largest probe number a ticket can carry.
const LAST_PROBE: u32 = (1 << 22) - 1;

/// A half-open phase. Plain data; empty outside half-open.
#[derive(Debug)]
pub(super) struct Phase {
    leases: Vec<Lease>,
    next: u32,
    good: u32,
    bad: u32,
    /// What `half_open_limit` has measured before `running`, in nanoseconds.
    measured: u64,
    /// Since when at least one probe has been in flight.
    running: Time,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    probe: u32,
    expires: Time,
}

/// What a phase has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Undecided,
    Close,
    Reopen,
}

/// Something that is due in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    LeaseOver,
    PhaseOver,
}

impl Phase {
    pub(super) fn new(settings: &Settings) -> Self {
        let leases = Vec::with_capacity(settings.config.half_open_probes as usize);
        Phase { leases, next: 0, good: 0, bad: 0, measured: 0, running: Time::NEVER }
    }

    pub(super) fn clear(&mut self) {
        self.leases.clear();
        (self.next, self.good, self.bad, self.measured, self.running) = (0, 0, 0, 0, Time::NEVER);
    }

    /// Moves `old`'s probes here, into the room made for them.
    pub(super) fn take_over(&mut self, old: &mut Phase) {
        self.leases.append(&mut old.leases);
        (self.next, self.good, self.bad) = (old.next, old.good, old.bad);
        (self.measured, self.running) = (old.measured, old.running);
    }

    pub(super) fn is_full(&self, settings: &Settings) -> bool {
        self.leases.len() >= settings.config.half_open_probes as usize
    }

    /// Takes a slot; the caller has seen that there is one.
    pub(super) fn admit(&mut self, settings: &Settings, now: Time) -> u32 {
        if self.leases.is_empty() {
            self.running = now;
        }
        self.next = self.next % LAST_PROBE + 1;
        self.leases.push(Lease { probe: self.next, expires: now.plus_nanos(settings.lease) });
        self.next
    }

    /// Lets a probe's lease last until `expires`.
    pub(super) fn extend(&mut self, probe: u32, expires: Time) {
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.probe == probe) {
            lease.expires = lease.expires.max(expires);
        }
    }

    /// Gives a probe's slot back; `false` if the probe's lease is over already.
    pub(super) fn settle(&mut self, probe: u32, now: Time) -> bool {
        let Some(at) = self.leases.iter().position(|lease| lease.probe == probe) else { return false };
        self.leases.swap_remove(at);
        self.pause(now);
        true
    }

    fn pause(&mut self, now: Time) {
        if self.leases.is_empty() {
            self.measured = self.measured.saturating_add(now.nanos_since(self.running));
            self.running = Time::NEVER;
        }
    }

    /// Counts a probe's verdict.
    pub(super) fn count(&mut self, settings: &Settings, good: bool) -> Fate {
        if good {
            self.good += 1
        } else {
            self.bad += 1
        }
        match settings.config.half_open {
            HalfOpen::Count { probe_failures, .. } if self.bad >= probe_failures => Fate::Reopen,
            HalfOpen::Count { success_threshold, .. } if self.good >= success_threshold => Fate::Close,
            HalfOpen::Sample { sample, .. }
                if settings.sample_rate.reached_by(u64::from(self.bad), u64::from(sample)) =>
            {
                Fate::Reopen
            }
            HalfOpen::Sample { sample, .. } if self.good + self.bad >= sample => Fate::Close,
            _ => Fate::Undecided,
        }
    }

    /// What is due next, and when.
    pub(super) fn next_due(&self, settings: &Settings) -> (Time, Due) {
        let lease = self.leases.iter().map(|lease| lease.expires).min().unwrap_or(Time::NEVER);
        let limit = match settings.config.half_open_limit {
            Some(limit) if !self.leases.is_empty() => {
                self.running.plus_nanos(nanos(limit).saturating_sub(self.measured))
            }
            _ => Time::NEVER,
        };
        // The limit wins a tie: a phase that has not closed by then is over, whatever the lapsed probe would have said.
        if lease < limit { (lease, Due::LeaseOver) } else { (limit, Due::PhaseOver) }
    }

    /// Ends one lease that is over at `at`.
    pub(super) fn end_lease(&mut self, at: Time) {
        if let Some(i) = self.leases.iter().position(|lease| lease.expires <= at) {
            self.leases.swap_remove(i);
            self.pause(at);
        }
    }

    pub(super) fn counts(&self) -> ProbeCounts {
        ProbeCounts { in_flight: self.leases.len() as u32, good: self.good, bad: self.bad }
    }

    pub(super) fn good(&self) -> u32 {
        self.good
    }

    pub(super) fn bad(&self) -> u32 {
        self.bad
    }
}
