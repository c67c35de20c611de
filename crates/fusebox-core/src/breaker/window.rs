//! What a closed circuit remembers.
//!
//! Fast successes never come here: they are counted in the front's cells, and `passed`, the number of them since
//! the epoch began, is an argument of every method. A window keeps a mark of the `passed` it has seen; what lies
//! between is successes that came since. So a success costs one add, and a window is exact all the same.

use super::config::Window;
use super::settings::{BUCKETS, Settings};
use super::snapshot::WindowCounts;
use crate::Time;
use alloc::boxed::Box;
use alloc::vec;

/// A window's content.
#[derive(Debug)]
pub(super) enum Evidence {
    Calls(Ring),
    Time(Buckets),
}

impl Evidence {
    /// An empty window at the start of an epoch.
    pub(super) fn new(settings: &Settings, now: Time) -> Self {
        match settings.config.window {
            Window::Calls(n) => Evidence::Calls(Ring::new(n)),
            Window::Time(_) => Evidence::Time(Buckets::new(settings.bucket, 0, now)),
        }
    }

    /// Begins in the middle of an epoch, with `passed` successes behind it.
    pub(super) fn begin(&mut self, passed: i64, now: Time) {
        match self {
            Evidence::Calls(ring) => ring.recorded = -passed,
            Evidence::Time(buckets) => *buckets = Buckets::new(buckets.width, passed, now),
        }
    }

    /// Forgets everything, at the start of an epoch.
    pub(super) fn clear(&mut self, now: Time) {
        match self {
            Evidence::Calls(ring) => ring.clear(),
            Evidence::Time(buckets) => *buckets = Buckets::new(buckets.width, 0, now),
        }
    }

    /// Counts one more call, which did not pass the fast way.
    pub(super) fn record(&mut self, passed: i64, failed: bool, slow: bool) {
        match self {
            Evidence::Calls(ring) => ring.record(passed, failed, slow),
            Evidence::Time(buckets) => buckets.record(passed, failed, slow),
        }
    }

    /// Lets go of what `now` has left behind.
    pub(super) fn roll(&mut self, passed: i64, now: Time) {
        if let Evidence::Time(buckets) = self {
            buckets.roll(passed, now);
        }
    }

    /// When the next roll has something to do.
    pub(super) fn ends(&self) -> Time {
        match self {
            Evidence::Calls(_) => Time::NEVER,
            Evidence::Time(buckets) => buckets.ends,
        }
    }

    pub(super) fn counts(&mut self, passed: i64) -> WindowCounts {
        match self {
            Evidence::Calls(ring) => ring.counts(passed),
            Evidence::Time(buckets) => buckets.counts(passed),
        }
    }

    /// Takes over what fits of an `old` window; `false` if nothing could be kept.
    pub(super) fn take_over(&mut self, old: &mut Evidence, passed: i64, now: Time) -> bool {
        match (self, old) {
            (Evidence::Calls(new), Evidence::Calls(old)) if new.size <= old.size => {
                old.counts(passed);
                new.replay(old, passed);
                true
            }
            (Evidence::Time(new), Evidence::Time(old)) => {
                old.roll(passed, now);
                new.rebucket(old, passed);
                true
            }
            _ => false,
        }
    }
}

/// The last `size` calls as two rings of bits. A call's place is its sequence number modulo `size`.
#[derive(Debug)]
pub(super) struct Ring {
    size: u64,
    failed: Box<[u64]>,
    slow: Box<[u64]>,
    /// The sequence number up to which the bits are right; the calls after it are fast successes.
    seen: u64,
    /// Calls recorded here rather than passed by, plus the offset between `passed` and the sequence.
    recorded: i64,
    failures: u64,
    slows: u64,
}

impl Ring {
    fn new(size: u32) -> Self {
        let words = || vec![0; size.div_ceil(64) as usize].into_boxed_slice();
        let size = u64::from(size);
        Ring { size, failed: words(), slow: words(), seen: 0, recorded: 0, failures: 0, slows: 0 }
    }

    fn clear(&mut self) {
        self.failed.fill(0);
        self.slow.fill(0);
        (self.seen, self.recorded, self.failures, self.slows) = (0, 0, 0, 0);
    }

    fn record(&mut self, passed: i64, failed: bool, slow: bool) {
        // Where `passed` has stepped back, as it does for a stray, the stray's place stays a fast success.
        self.recorded = (self.recorded + 1).max(self.seen as i64 + 1 - passed);
        self.catch_up(passed);
        let (word, bit) = self.place(self.seen);
        self.failed[word] |= u64::from(failed) << bit;
        self.slow[word] |= u64::from(slow) << bit;
        self.failures += u64::from(failed);
        self.slows += u64::from(slow);
    }

    fn place(&self, sequence: u64) -> (usize, u32) {
        let at = sequence % self.size;
        ((at / 64) as usize, (at % 64) as u32)
    }

    /// Overwrites the places of all calls since `seen` with fast successes.
    fn catch_up(&mut self, passed: i64) {
        let to = (passed + self.recorded).max(0) as u64;
        if to.saturating_sub(self.seen) >= self.size {
            self.failed.fill(0);
            self.slow.fill(0);
            (self.failures, self.slows, self.seen) = (0, 0, to);
        }
        while self.seen < to {
            let (word, bit) = self.place(self.seen + 1);
            // As many bits as lie in one word, before the ring's end and before `to`.
            let run = (64 - u64::from(bit)).min(self.size - (self.seen + 1) % self.size).min(to - self.seen);
            let mask = (u64::MAX >> (64 - run)) << bit;
            self.failures -= u64::from((self.failed[word] & mask).count_ones());
            self.slows -= u64::from((self.slow[word] & mask).count_ones());
            self.failed[word] &= !mask;
            self.slow[word] &= !mask;
            self.seen += run;
        }
    }

    fn counts(&mut self, passed: i64) -> WindowCounts {
        self.catch_up(passed);
        WindowCounts { calls: self.seen.min(self.size), failures: self.failures, slow: self.slows }
    }

    /// Records the newest calls of `old`, as many as fit, in their order.
    fn replay(&mut self, old: &Ring, passed: i64) {
        let keep = old.seen.min(self.size);
        for sequence in old.seen - keep + 1..=old.seen {
            let (word, bit) = old.place(sequence);
            let is = |bits: &[u64]| bits[word] >> bit & 1 == 1;
            self.record(passed, is(&old.failed), is(&old.slow));
        }
    }
}

/// The last stretch of time in [`BUCKETS`] buckets, aligned to multiples of their width.
#[derive(Debug)]
pub(super) struct Buckets {
    width: u64,
    ring: [Bucket; BUCKETS],
    /// The present bucket's number since time zero.
    number: u64,
    ends: Time,
    /// The successes that have been put into buckets.
    mark: i64,
    sum: Bucket,
}

/// Two billion calls in one window are as many as it can tell apart.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    calls: i32,
    failures: i32,
    slow: i32,
}

impl Bucket {
    /// Calls that passed the fast way.
    fn passed(calls: i64) -> Self {
        let calls = calls.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        Bucket { calls, failures: 0, slow: 0 }
    }

    fn add(&mut self, other: Bucket) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }

    fn take_off(&mut self, other: Bucket) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failures = self.failures.saturating_sub(other.failures);
        self.slow = self.slow.saturating_sub(other.slow);
    }
}

impl Buckets {
    fn new(width: u64, passed: i64, now: Time) -> Self {
        let number = now.as_nanos() / width;
        let ends = Time::ZERO.plus_nanos((number + 1).saturating_mul(width));
        let empty = Bucket::default();
        Buckets { width, ring: [empty; BUCKETS], number, ends, mark: passed, sum: empty }
    }

    fn put(&mut self, number: u64, bucket: Bucket) {
        self.ring[(number % BUCKETS as u64) as usize].add(bucket);
        self.sum.add(bucket);
    }

    fn record(&mut self, passed: i64, failed: bool, slow: bool) {
        let Bucket { calls, .. } = Bucket::passed(passed - self.mark + 1);
        self.mark = passed;
        self.put(self.number, Bucket { calls, failures: i32::from(failed), slow: i32::from(slow) });
    }

    fn roll(&mut self, passed: i64, now: Time) {
        if now < self.ends {
            return;
        }
        self.put(self.number, Bucket::passed(passed - self.mark));
        self.mark = passed;
        let number = now.as_nanos() / self.width;
        for gone in 1..=(number - self.number).min(BUCKETS as u64) {
            let slot = &mut self.ring[((self.number + gone) % BUCKETS as u64) as usize];
            self.sum.take_off(core::mem::take(slot));
        }
        self.number = number;
        self.ends = Time::ZERO.plus_nanos((number + 1).saturating_mul(self.width));
    }

    fn counts(&self, passed: i64) -> WindowCounts {
        let whole = |n: i64| n.max(0) as u64;
        WindowCounts {
            calls: whole(i64::from(self.sum.calls) + passed - self.mark),
            failures: whole(self.sum.failures.into()),
            slow: whole(self.sum.slow.into()),
        }
    }

    /// Puts each bucket of `old` where its first moment falls.
    fn rebucket(&mut self, old: &mut Buckets, passed: i64) {
        old.put(old.number, Bucket::passed(passed - old.mark));
        old.mark = passed;
        for back in 0..(BUCKETS as u64).min(old.number + 1) {
            let number = old.number - back;
            let bucket = old.ring[(number % BUCKETS as u64) as usize];
            let here = (number.saturating_mul(old.width) / self.width).min(self.number);
            if self.number - here < BUCKETS as u64 {
                self.put(here, bucket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use alloc::vec::Vec;

    #[test]
    fn a_ring_counts_what_a_list_of_the_last_calls_counts() {
        for size in [1, 2, 63, 64, 65, 100, 200] {
            let (mut rng, mut ring) = (Rng::seeded(u64::from(size)), Ring::new(size));
            let (mut list, mut passed) = (Vec::new(), 0);
            for step in 0..5_000 {
                match rng.up_to(3) {
                    0 => {
                        let many = rng.up_to(u64::from(size) + 3);
                        passed += many as i64;
                        list.extend((0..many).map(|_| (false, false)));
                    }
                    draw => {
                        let (failed, slow) = (draw == 1, rng.up_to(1) == 1);
                        ring.record(passed, failed, slow);
                        list.push((failed, slow));
                    }
                }
                let last = &list[list.len().saturating_sub(size as usize)..];
                let expected = WindowCounts {
                    calls: last.len() as u64,
                    failures: last.iter().filter(|call| call.0).count() as u64,
                    slow: last.iter().filter(|call| call.1).count() as u64,
                };
                assert_eq!(ring.counts(passed), expected, "size {size}, step {step}");
            }
        }
    }

    #[test]
    fn a_ring_forgets_every_failure_in_time_even_where_a_stray_was_taken_back() {
        let mut ring = Ring::new(10);
        ring.record(1, true, false);
        ring.record(0, true, false);
        assert_eq!(ring.counts(0).failures, 2);
        let left: Vec<u64> = (1..=10).map(|passed| ring.counts(passed).failures).collect();
        assert_eq!(left, [2, 2, 2, 2, 2, 2, 2, 2, 1, 0]);
    }

    #[test]
    fn a_smaller_ring_keeps_the_newest_calls() {
        let mut old = Ring::new(100);
        (0..60).for_each(|i| old.record(10, i % 2 == 0, i >= 50));
        let (mut old, mut new) = (Evidence::Calls(old), Evidence::Calls(Ring::new(20)));
        new.begin(10, Time::ZERO);
        assert!(new.take_over(&mut old, 10, Time::ZERO));
        assert_eq!(new.counts(10), WindowCounts { calls: 20, failures: 10, slow: 10 });
        assert_eq!(new.counts(15), WindowCounts { calls: 20, failures: 7, slow: 10 });
    }

    #[test]
    fn the_window_is_the_present_bucket_and_the_nine_before() {
        let mut buckets = Buckets::new(1_000, 0, Time::from_nanos(500));
        buckets.record(0, true, false);
        buckets.roll(5, Time::from_nanos(9_999));
        assert_eq!(buckets.counts(7), WindowCounts { calls: 8, failures: 1, slow: 0 });
        buckets.roll(7, Time::from_nanos(10_000));
        assert_eq!(buckets.counts(7), WindowCounts { calls: 2, failures: 0, slow: 0 });
    }

    #[test]
    fn a_new_width_keeps_the_content_of_the_buckets() {
        let mut old = Buckets::new(1_000, 0, Time::from_nanos(0));
        for second in 0..10u64 {
            old.roll(0, Time::from_nanos(second * 1_000));
            old.record(0, second % 2 == 0, false);
        }
        let now = Time::from_nanos(9_500);
        let (mut old, mut wide) = (Evidence::Time(old), Evidence::Time(Buckets::new(6_000, 0, now)));
        assert!(wide.take_over(&mut old, 0, now));
        assert_eq!(wide.counts(0), WindowCounts { calls: 10, failures: 5, slow: 0 });
        let mut narrow = Evidence::Time(Buckets::new(100, 0, now));
        assert!(narrow.take_over(&mut old, 0, now));
        assert_eq!(narrow.counts(0), WindowCounts { calls: 1, failures: 0, slow: 0 });
    }
}
