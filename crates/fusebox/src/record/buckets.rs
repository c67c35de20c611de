//! From a latency to its bucket and back.
//!
//! Thirty buckets to each power of ten, none wider than an eighth of where it begins, so that a percentile is off by a
//! sixteenth at most. Counting in tens instead of doublings costs one division, and puts the round numbers that people ask for
//! (5 ms, 250 ms) on edges: coarse buckets are exact sums of fine ones.

/// The first bucket ends here: a microsecond.
const FIRST: u64 = 1_000;
const PER_DECADE: usize = 30;
/// Powers of ten that are whole: to 100 s.
const DECADES: usize = 8;
/// The last edge is 600 s.
const LAST_EDGE: usize = DECADES * PER_DECADE + 22;

/// Buckets in all: up to the first edge, between edges, and beyond the last.
pub(super) const BUCKETS: usize = LAST_EDGE + 2;

/// The coarse buckets' upper edges, which are in them, in nanoseconds.
pub const EDGES: [u64; 12] = [
    1_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// An eighth of each power of ten.
const EIGHTHS: [u64; DECADES + 1] = {
    let mut eighths = [FIRST / 8; DECADES + 1];
    let mut decade = 1;
    while decade <= DECADES {
        eighths[decade] = eighths[decade - 1] * 10;
        decade += 1;
    }
    eighths
};

/// The bucket of a latency; an edge belongs to the bucket that it ends.
#[inline]
pub(super) fn of(nanos: u64) -> usize {
    let below = nanos.saturating_sub(1);
    let Some(decade) = below.checked_ilog10().and_then(|tens| (tens as usize).checked_sub(3)) else {
        return 0;
    };
    let Some(eighth) = EIGHTHS.get(decade) else { return BUCKETS - 1 };
    // From 8 to 79; in steps of one up to twice the power of ten, of two up to five times, then of four.
    let eighths = (below / eighth) as usize;
    let within = match eighths {
        ..16 => eighths - 8,
        16..40 => eighths / 2,
        _ => 10 + eighths / 4,
    };
    (1 + decade * PER_DECADE + within).min(BUCKETS - 1)
}

/// The edge at a bucket's end; `None` for the last, which has none.
pub(super) fn end(bucket: usize) -> Option<u64> {
    (bucket < BUCKETS - 1).then(|| edge(bucket))
}

const fn edge(bucket: usize) -> u64 {
    let (decade, within) = (bucket / PER_DECADE, bucket % PER_DECADE);
    let eighths = match within {
        ..8 => 8 + within,
        8..20 => 2 * within,
        _ => 4 * (within - 10),
    };
    EIGHTHS[decade] * eighths as u64
}

/// What is in each coarse bucket, given what is in each fine one.
pub(super) fn coarse(count: impl Fn(usize) -> u64) -> [u64; EDGES.len() + 1] {
    const ENDS: [usize; EDGES.len() + 1] = ends();
    let mut from = 0;
    ENDS.map(|to| {
        let sum = (from..to).map(&count).sum();
        from = to;
        sum
    })
}

/// The coarse bucket of a latency.
pub(super) fn coarse_of(nanos: u64) -> usize {
    EDGES.partition_point(|edge| *edge < nanos)
}

/// Where each coarse bucket ends among the fine ones.
const fn ends() -> [usize; EDGES.len() + 1] {
    let (mut ends, mut coarse, mut bucket) = ([BUCKETS; EDGES.len() + 1], 0, 0);
    while coarse < EDGES.len() {
        while edge(bucket) < EDGES[coarse] {
            bucket += 1;
        }
        assert!(edge(bucket) == EDGES[coarse], "a coarse edge is a fine one");
        ends[coarse] = bucket + 1;
        coarse += 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        assert_eq!((of(0), of(u64::MAX)), (0, BUCKETS - 1));
        assert_eq!((end(0), end(LAST_EDGE), end(BUCKETS - 1)), (Some(1_000), Some(600_000_000_000), None));
        for bucket in 0..BUCKETS - 1 {
            let last = edge(bucket);
            assert_eq!((of(last), of(last + 1)), (bucket, bucket + 1), "up to {last}");
        }
    }

    #[test]
    fn a_bucket_is_at_most_an_eighth_wide() {
        for bucket in 1..=LAST_EDGE {
            let (from, to) = (edge(bucket - 1), edge(bucket));
            assert!(to - from <= from / 8, "from {from} to {to}");
        }
    }

    #[test]
    fn coarse_buckets_are_sums_of_fine_ones() {
        let one_in = |nanos: u64| coarse(|bucket| u64::from(bucket == of(nanos)));
        for nanos in EDGES.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]).chain([0, u64::MAX]) {
            let mut expected = [0; EDGES.len() + 1];
            expected[coarse_of(nanos)] = 1;
            assert_eq!(one_in(nanos), expected, "{nanos}");
        }
    }
}
