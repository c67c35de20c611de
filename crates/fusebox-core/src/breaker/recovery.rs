//! How long this circuit's dependency takes to recover, learned from what its probes saw.
//!
//! A circuit never sees the recovery itself. It sees a last bad probe and a first good one, and the recovery lies
//! between. Who takes the first good probe for the recovery measures its own waits: an outage of 40 s that is probed
//! after 30 s and then after 60 s more is taken for 90 s, and a wait of 90 s finds 90 s confirmed for ever. So a
//! recovery is kept as the interval it is, and two things are made of the intervals.
//!
//! * *The estimate* is the percentile of the intervals' ends, all in one list. For the median that is the point with
//!   the least sum of distances to the intervals (the distance is half of |t − from| + |t − to|, less a constant), and
//!   where the intervals leave a gap, its middle: each outage halves what is not known yet.
//! * *The scout.* Where the first probe of an outage was good already, nothing says that an earlier one would not have
//!   been: the next outage is probed at half that time. And where the last recovery took much less than the estimate, the
//!   next is probed after as long as that one took. It costs one bad probe where nothing has changed, since the wait
//!   then goes on to the estimate; where outages have become shorter, calls pass again long before it has followed.

use crate::{Ratio, Time};

/// Recoveries that are remembered, and how many it takes to trust them.
const REMEMBERED: usize = 20;
const ENOUGH: usize = 3;
const MILLI: u64 = 1_000_000;

/// A recovery, in milliseconds after the trip: after the last bad probe and not after the first good one.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

/// The outage under way and the latest recoveries.
#[derive(Debug)]
pub(super) struct Recoveries {
    spans: [Span; REMEMBERED],
    known: usize,
    /// When the present outage began; `None` once a probe went well.
    outage: Option<Time>,
    /// The latest bad probe of the outage began this many milliseconds after its trip.
    bad: u32,
    /// The circuit tripped before its last recovery had lasted: the outage before goes on.
    relapse: bool,
}

impl Recoveries {
    pub(super) fn new() -> Self {
        let spans = [Span::default(); REMEMBERED];
        Recoveries { spans, known: 0, outage: None, bad: 0, relapse: false }
    }

    /// A closed circuit tripped.
    pub(super) fn tripped(&mut self, at: Time, relapse: bool) {
        (self.outage, self.bad, self.relapse) = (Some(at), 0, relapse);
    }

    /// A probe that began at `began` was bad.
    pub(super) fn bad(&mut self, began: Time) {
        if let Some(outage) = self.outage {
            self.bad = self.bad.max(millis(outage, began));
        }
    }

    /// A probe that began at `began` was good: the first of its outage ends it.
    pub(super) fn good(&mut self, began: Time) {
        let Some(outage) = self.outage.take() else { return };
        let to = millis(outage, began);
        self.spans[self.known % REMEMBERED] = Span { from: self.bad.min(to), to };
        self.known += 1;
    }

    /// What a recovery takes, in nanoseconds; `None` until enough are known.
    pub(super) fn learned(&self, percentile: Ratio) -> Option<u64> {
        let spans = &self.spans[..self.known.min(REMEMBERED)];
        if spans.len() < ENOUGH {
            return None;
        }
        let mut ends = [0; 2 * REMEMBERED];
        for (pair, span) in ends.chunks_exact_mut(2).zip(spans) {
            pair.copy_from_slice(&[span.from, span.to]);
        }
        let ends = &mut ends[..2 * spans.len()];
        ends.sort_unstable();
        let parts = u64::from(percentile.ppm()) * ends.len() as u64;
        let rank = (parts / 1_000_000) as usize;
        let above = u64::from(ends[rank.min(ends.len() - 1)]);
        let below = if parts.is_multiple_of(1_000_000) { u64::from(ends[rank.max(1) - 1]) } else { above };
        Some((below + above) / 2 * MILLI)
    }

    /// The next wait of an outage of which `learned` is known, in nanoseconds; `None` where the outage is no plain one,
    /// and its waits grow as if nothing were known.
    ///
    /// Up to the estimate the probes come at doubling times; past it a quarter of it apart at first, then wider.
    pub(super) fn next(&self, learned: u64, at: Time) -> Option<u64> {
        let outage = self.outage.filter(|_| !self.relapse)?;
        let gone = at.nanos_since(outage);
        Some(if gone == 0 {
            self.scout(learned)
        } else if gone < learned / 4 * 3 {
            gone.min(learned - gone)
        } else {
            (learned / 4).max(gone.saturating_sub(learned))
        })
    }

    /// When to send the first probe.
    fn scout(&self, learned: u64) -> u64 {
        let last = self.spans[self.known.saturating_sub(1) % REMEMBERED];
        let (found_at_once, took) = (last.from == 0, u64::from(last.to) * MILLI);
        if found_at_once {
            learned.min(took / 2)
        } else if took < learned / 4 * 3 {
            took
        } else {
            learned
        }
    }
}

fn millis(since: Time, at: Time) -> u32 {
    u32::try_from(at.nanos_since(since) / MILLI).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> u64 {
        Time::from_secs(secs).as_nanos()
    }

    fn recovered(recoveries: &mut Recoveries, bad: u64, good: u64) {
        recoveries.tripped(Time::ZERO, false);
        if bad > 0 {
            recoveries.bad(Time::from_secs(bad));
        }
        recoveries.good(Time::from_secs(good));
    }

    #[test]
    fn two_recoveries_are_not_enough_and_three_are() {
        let mut recoveries = Recoveries::new();
        for known in 0..3 {
            assert_eq!(recoveries.learned(Ratio::HALF), None, "{known}");
            recovered(&mut recoveries, 30, 90);
        }
        assert_eq!(recoveries.learned(Ratio::HALF), Some(secs(60)), "the middle of what is not known");
    }

    #[test]
    fn a_recovery_that_the_first_probe_found_halves_the_estimate_from_above() {
        let mut recoveries = Recoveries::new();
        (0..3).for_each(|_| recovered(&mut recoveries, 30, 90));
        recovered(&mut recoveries, 0, 60);
        assert_eq!(recoveries.learned(Ratio::HALF), Some(secs(45)));
    }

    #[test]
    fn one_odd_outage_moves_nothing() {
        let mut recoveries = Recoveries::new();
        (0..9).for_each(|_| recovered(&mut recoveries, 39, 41));
        recovered(&mut recoveries, 3_000, 4_000);
        assert_eq!(recoveries.learned(Ratio::HALF), Some(secs(41)));
    }

    #[test]
    fn only_the_first_good_probe_of_an_outage_is_a_recovery() {
        let mut recoveries = Recoveries::new();
        recovered(&mut recoveries, 0, 40);
        (0..9).for_each(|_| recoveries.good(Time::from_secs(50)));
        assert_eq!(recoveries.known, 1);
    }

    #[test]
    fn the_probes_of_an_outage_double_up_to_the_estimate_and_are_close_after_it() {
        let mut recoveries = Recoveries::new();
        recovered(&mut recoveries, 0, 10);
        recoveries.tripped(Time::ZERO, false);
        let mut at = Time::ZERO;
        let probes: [u64; 6] = core::array::from_fn(|_| {
            at = at.plus_nanos(recoveries.next(secs(40), at).expect("a plain outage"));
            at.since(Time::ZERO).as_secs()
        });
        assert_eq!(probes, [5, 10, 20, 40, 50, 60]);
    }
}
