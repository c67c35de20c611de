//! From a latency to its bucket and back.

/// Each doubling has 2^3 buckets of equal width.
const FINE: u32 = 3;
/// The bucket of all that is shorter ends at 2^10 ns, about a microsecond.
const LOW: u32 = 10;
/// The bucket of all that is longer begins at 2^37 ns, about two minutes.
const HIGH: u32 = 37;

/// Buckets in all.
pub(super) const BUCKETS: usize = (((HIGH - LOW) << FINE) + 2) as usize;
const LAST: usize = BUCKETS - 1;

/// The bucket of a latency.
#[inline]
pub(super) fn of(nanos: u64) -> usize {
    if nanos < 1 << LOW {
        return 0;
    }
    let doubling = nanos.ilog2();
    let within = (nanos >> (doubling - FINE)) as usize & ((1 << FINE) - 1);
    (1 + (((doubling - LOW) as usize) << FINE) + within).min(LAST)
}

/// The shortest latency of a bucket, and the shortest that is too long for it.
pub(super) fn bounds(bucket: usize) -> (u64, u64) {
    match bucket {
        0 => (0, 1 << LOW),
        LAST.. => (1 << HIGH, u64::MAX),
        _ => (start(bucket), start(bucket + 1)),
    }
}

fn start(bucket: usize) -> u64 {
    let (doubling, within) = ((bucket - 1) >> FINE, (bucket - 1) & ((1 << FINE) - 1));
    ((1 << FINE) + within as u64) << (doubling as u32 + LOW - FINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        assert_eq!((of(0), of(u64::MAX)), (0, LAST));
        for bucket in 0..BUCKETS {
            let (first, end) = bounds(bucket);
            assert_eq!((of(first), of(end - 1)), (bucket, bucket));
            if bucket < LAST {
                assert_eq!((of(end), bounds(bucket + 1).0), (bucket + 1, end));
            }
        }
    }

    #[test]
    fn a_bucket_is_at_most_an_eighth_wide() {
        for (first, end) in (1..LAST).map(bounds) {
            assert!(end - first <= first / 8, "from {first} to {end}");
        }
    }
}
