//! How fast a circuit goes: what its counters grew by, second by second.

use crate::Time;
use crate::breaker::Totals;
use serde::Serialize;
use std::collections::VecDeque;

/// Seconds that are remembered.
pub(super) const SECONDS: usize = 120;
/// Seconds in a point of the line that is drawn.
const IN_A_POINT: usize = 2;
/// Seconds that a rate is worked out from: short enough to follow, long enough not to flicker.
const IN_A_RATE: usize = 3;

/// Calls by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) rejected: u64,
}

impl Counts {
    fn plus(self, other: Counts) -> Counts {
        Counts {
            ok: self.ok + other.ok,
            failed: self.failed + other.failed,
            rejected: self.rejected + other.rejected,
        }
    }

    fn of(totals: &Totals) -> Counts {
        Counts { ok: totals.success, failed: totals.failure, rejected: totals.rejected }
    }

    fn since(self, before: Counts) -> Counts {
        Counts {
            ok: self.ok.saturating_sub(before.ok),
            failed: self.failed.saturating_sub(before.failed),
            rejected: self.rejected.saturating_sub(before.rejected),
        }
    }
}

/// One circuit's counters, from look to look.
#[derive(Debug)]
pub(super) struct Track {
    last: Counts,
    looked: Time,
    /// The newest last, each with the nanoseconds it took: looks may come late. It begins with one that brought something, so that a
    /// circuit that rests takes no room.
    seconds: VecDeque<(Counts, u64)>,
}

/// Calls each second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) rejected_per_second: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) failures_per_second: f64,
}

impl Track {
    pub(super) fn new(totals: &Totals, now: Time) -> Track {
        Track { last: Counts::of(totals), looked: now, seconds: VecDeque::new() }
    }

    /// Another second is over; of a track that has just begun, none is.
    pub(super) fn tick(&mut self, totals: &Totals, now: Time) {
        let (counts, took) = (Counts::of(totals), now.nanos_since(self.looked));
        if took == 0 {
            return;
        }
        if self.seconds.len() >= SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back((counts.since(self.last), took));
        while self.seconds.front().is_some_and(|(counts, _)| *counts == Counts::default()) {
            self.seconds.pop_front();
        }
        if self.seconds.is_empty() {
            self.seconds = VecDeque::new();
        }
        (self.last, self.looked) = (counts, now);
    }

    /// What the last second brought.
    pub(super) fn newest(&self) -> Counts {
        self.seconds.back().map_or_else(Counts::default, |(counts, _)| *counts)
    }

    /// Whether nothing came in the time that is remembered.
    pub(super) fn is_quiet(&self) -> bool {
        self.seconds.is_empty()
    }

    pub(super) fn rates(&self) -> Rates {
        let recent = self.seconds.iter().rev().take(IN_A_RATE);
        let (sum, nanos) = recent
            .fold((Counts::default(), 0), |(sum, nanos), (counts, took)| (sum.plus(*counts), nanos + took));
        let per_second = |count: u64| match nanos {
            0 => 0.0,
            // To a tenth: more would only flicker.
            nanos => (count as f64 * 1e10 / nanos as f64).round() / 10.0,
        };
        Rates {
            rejected_per_second: per_second(sum.rejected),
            calls_per_second: per_second(sum.ok + sum.failed + sum.rejected),
            failures_per_second: per_second(sum.failed),
        }
    }

    /// The points of the line, the oldest first; as many as there are seconds for.
    pub(super) fn spark(&self) -> Vec<Counts> {
        let mut points: Vec<Counts> = Vec::with_capacity(SECONDS / IN_A_POINT);
        let seconds: Vec<Counts> = self.seconds.iter().map(|(counts, _)| *counts).collect();
        // The newest point is whole, so the oldest may be short.
        for point in seconds.rchunks(IN_A_POINT) {
            points.push(point.iter().fold(Counts::default(), |sum, counts| sum.plus(*counts)));
        }
        points.reverse();
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(success: u64, failure: u64, rejected: u64) -> Totals {
        Totals { success, failure, rejected, ..Totals::default() }
    }

    #[test]
    fn rates_go_by_the_time_that_passed_and_not_by_the_number_of_looks() {
        let mut track = Track::new(&totals(100, 0, 0), Time::ZERO);
        track.tick(&totals(120, 10, 0), Time::from_secs(2));
        track.tick(&totals(120, 10, 60), Time::from_secs(3));
        let rates = track.rates();
        assert_eq!(
            (rates.calls_per_second, rates.rejected_per_second, rates.failures_per_second),
            (30.0, 20.0, 3.3)
        );
        assert_eq!(track.newest(), Counts { ok: 0, failed: 0, rejected: 60 });
    }

    #[test]
    fn a_line_has_a_point_for_two_seconds_and_reaches_over_two_minutes() {
        let mut track = Track::new(&totals(0, 0, 0), Time::ZERO);
        for second in 1..=3 {
            track.tick(&totals(second, 0, 0), Time::from_secs(second));
        }
        assert_eq!(track.spark().iter().map(|point| point.ok).collect::<Vec<_>>(), [1, 2]);
        assert!(!track.is_quiet());
        for second in 4..=200 {
            track.tick(&totals(3, 0, 0), Time::from_secs(second));
        }
        assert!(track.is_quiet() && track.spark().is_empty() && track.seconds.capacity() == 0);
        for second in 201..=400 {
            track.tick(&totals(second, 0, 0), Time::from_secs(second));
        }
        assert_eq!(track.spark().len(), 60);
    }
}
