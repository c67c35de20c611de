//! Latencies counted by bucket: a copy, to ask as often as one likes.

use super::buckets::{self, BUCKETS};
use crate::Ratio;

/// The latencies of a window at one moment.
#[derive(Clone, Debug)]
pub struct Distribution {
    counts: [u64; BUCKETS],
    count: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution { counts: [0; BUCKETS], count: 0 }
    }
}

impl Distribution {
    /// Calls counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share of the calls did not exceed, in nanoseconds: the middle of its bucket, a sixteenth
    /// off at most. `None` if there were no calls.
    pub fn percentile(&self, share: Ratio) -> Option<u64> {
        self.bounds(share).map(|(first, end)| match end {
            u64::MAX => first,
            _ => first.midpoint(end),
        })
    }

    /// A latency that this share of the calls certainly did not exceed: the end of its bucket, an eighth too much at
    /// most; [`u64::MAX`] beyond two minutes. `None` if there were no calls.
    pub fn at_most(&self, share: Ratio) -> Option<u64> {
        self.bounds(share).map(|(_, end)| end)
    }

    /// The mean, in nanoseconds, a sixteenth off at most. `None` if there were no calls.
    pub fn mean(&self) -> Option<u64> {
        let middle = |bucket| match buckets::bounds(bucket) {
            (first, u64::MAX) => first,
            (first, end) => first.midpoint(end),
        };
        let counted = self.counts.iter().enumerate();
        let sum: u128 = counted.map(|(bucket, count)| u128::from(middle(bucket)) * u128::from(*count)).sum();
        sum.checked_div(u128::from(self.count)).map(|mean| mean as u64)
    }

    pub(super) fn add(&mut self, counts: impl Iterator<Item = u32>) {
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum += u64::from(count);
            self.count += u64::from(count);
        }
    }

    /// The bounds of the bucket with the call that has this share of the calls below it or beside it (nearest rank).
    fn bounds(&self, share: Ratio) -> Option<(u64, u64)> {
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if *count > 0 && share.reached_by(below, self.count) {
                return Some(buckets::bounds(bucket));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nanos: &[u64]) -> Distribution {
        let mut counts = [0; BUCKETS];
        nanos.iter().for_each(|nanos| counts[buckets::of(*nanos)] += 1);
        let mut all = Distribution::default();
        all.add(counts.into_iter());
        all
    }

    #[test]
    fn the_nearest_rank_decides() {
        let all = of(&[2_000, 4_000, 8_000, 16_000]);
        let bucket = |nanos| Some(buckets::bounds(buckets::of(nanos)).1);
        let at_most = |percent| all.at_most(Ratio::from_percent(percent).expect("a share"));
        assert_eq!((at_most(0), at_most(25)), (bucket(2_000), bucket(2_000)));
        assert_eq!((at_most(26), at_most(50)), (bucket(4_000), bucket(4_000)));
        assert_eq!((at_most(75), at_most(76), at_most(100)), (bucket(8_000), bucket(16_000), bucket(16_000)));
    }

    #[test]
    fn the_mean_is_within_a_sixteenth() {
        let mean = of(&[1_000_000, 3_000_000]).mean().expect("calls");
        assert!(mean.abs_diff(2_000_000) <= 2_000_000 / 16, "{mean}");
        assert_eq!(of(&[]).mean(), None);
    }
}
