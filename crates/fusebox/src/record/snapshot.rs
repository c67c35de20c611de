//! What a record holds at one moment.

use super::buckets::{self, EDGES};
use super::exemplars::Exemplar;
use super::failures::{FailedCall, Kinds};
use crate::Failure;
use std::time::Duration;

/// What a [`Record`](super::Record) holds at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) counts: Box<[u64]>,
    pub(super) sum: Duration,
    pub(super) max: Duration,
    pub(super) exemplars: Option<[Option<Exemplar>; EDGES.len() + 1]>,
    pub(super) kinds: Kinds,
    pub(super) calls: Vec<FailedCall>,
}

impl Snapshot {
    /// Attempts recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took in all.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Each bucket's upper edge, which is in it, and how many are in it; the last one has no edge.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let edge = |bucket| buckets::end(bucket).map(Duration::from_nanos);
        self.counts.iter().enumerate().map(move |(bucket, count)| (edge(bucket), *count))
    }

    /// What a share `q` of the attempts did not exceed, from 0 to 1 and to a sixteenth of its value; `None` without attempts.
    pub fn percentile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let from = bucket.checked_sub(1).and_then(buckets::end).unwrap_or(0);
        let middle = buckets::end(bucket).map(|to| Duration::from_nanos(from.midpoint(to)));
        Some(middle.map_or(self.max, |middle| middle.min(self.max)))
    }

    /// How many failed in which way, the most frequent first. `None` stands for those beyond sixteen kinds.
    pub fn kinds(&self) -> &[(Option<Failure>, u64)] {
        &self.kinds
    }

    /// The last failing calls, the newest first, at most [`KEPT`](super::KEPT).
    pub fn calls(&self) -> &[FailedCall] {
        &self.calls
    }

    /// The latest attempt with a known trace in each coarse bucket; `None` if no trace was ever known.
    pub fn exemplars(&self) -> Option<&[Option<Exemplar>]> {
        self.exemplars.as_ref().map(|exemplars| &exemplars[..])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;
    use crate::Time;

    #[test]
    fn a_percentile_is_off_by_a_sixteenth_at_most() {
        let record = Record::default();
        for micros in 1..=100_000 {
            record.took(Duration::from_micros(micros), None, Time::ZERO);
        }
        let seen = record.snapshot();
        for (q, micros) in [(0.5, 50_000), (0.9, 90_000), (0.99, 99_000), (0.001, 100)] {
            let exact = Duration::from_micros(micros);
            let told = seen.percentile(q).expect("attempts");
            assert!(told.abs_diff(exact) <= exact / 16, "{q}: {told:?} for {exact:?}");
        }
    }

    #[test]
    fn no_attempts_have_no_percentile_and_one_is_every_percentile() {
        let record = Record::default();
        assert_eq!(record.snapshot().percentile(0.5), None);
        record.took(Duration::from_secs(3_600), None, Time::ZERO);
        assert_eq!(
            record.snapshot().percentile(0.5),
            Some(Duration::from_secs(3_600)),
            "beyond the last edge"
        );
    }

    #[test]
    fn a_percentile_is_never_longer_than_the_longest() {
        let record = Record::default();
        record.took(Duration::from_micros(1_001), None, Time::ZERO);
        assert_eq!(record.snapshot().percentile(0.99), Some(Duration::from_micros(1_001)));
    }
}
