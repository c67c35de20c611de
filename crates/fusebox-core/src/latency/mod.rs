//! How long calls took lately.
//!
//! A histogram with eight buckets to each doubling, from a microsecond to two minutes: whatever the latencies are, a
//! percentile is off by a sixteenth of its value at most. Four slots of it follow each other in time; the
//! eldest is emptied and used again. That takes less than 4 KiB, whatever the traffic.
//!
//! Adaptive timeouts, hedging, rules that look for outliers and dashboards all read the same one.

mod buckets;
mod distribution;
mod following;

pub use distribution::Distribution;
pub use following::WINDOW;
pub(crate) use following::{Following, Rule};

use crate::sync::{AtomicU32, AtomicU64, Mutex, Relaxed, lock};
use crate::time::nanos;
use crate::{Ratio, Time};
use alloc::boxed::Box;
use buckets::BUCKETS;
use core::time::Duration;

/// Slots of the sliding window.
const SLOTS: usize = 4;
/// The shortest slot, in nanoseconds.
const SHORTEST: u64 = 1_000;

/// The latencies of the last while, of any number of calls at once.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use fusebox_core::latency::Latencies;
/// use fusebox_core::{Ratio, Time};
///
/// let latencies = Latencies::new(Duration::from_secs(60));
/// let now = Time::from_secs(5);
/// for millis in 1..=100 {
///     latencies.record(millis * 1_000_000, now);
/// }
/// let median = latencies.percentile(Ratio::HALF, now).expect("calls");
/// assert!(median.abs_diff(50_000_000) <= 50_000_000 / 16);
/// ```
///
/// # Synchronization
///
/// A sample is one relaxed add. Only who finds a slot that has had its time takes a lock, empties it, and then lets
/// others in; a reader takes the same lock, so it never sees a slot half emptied. A sample that is under way while its
/// slot is emptied may be lost or count for the slot's next turn: this is a statistic, not a ledger.
#[derive(Debug)]
pub struct Latencies {
    /// 2^64 over a slot's length: multiplying by it and taking the upper half divides.
    turns: u64,
    slots: Box<[Slot; SLOTS]>,
    renewal: Mutex<()>,
}

#[derive(Debug)]
struct Slot {
    /// Which turn of all turns the slot is in.
    turn: AtomicU64,
    counts: [AtomicU32; BUCKETS],
}

impl Latencies {
    /// No latencies yet. What is recorded counts for the length of `window`, give or take a quarter that is just
    /// beginning. A window below 4 µs is one of 4 µs.
    pub fn new(window: Duration) -> Self {
        let slot = (nanos(window) / SLOTS as u64).max(SHORTEST);
        let slots = Box::new(core::array::from_fn(|_| Slot {
            turn: AtomicU64::new(0),
            counts: core::array::from_fn(|_| AtomicU32::new(0)),
        }));
        Latencies { turns: u64::MAX / slot, slots, renewal: Mutex::new(()) }
    }

    /// Adds a call that ended now and took so many nanoseconds.
    #[inline]
    pub fn record(&self, nanos: u64, now: Time) {
        let turn = self.turn(now);
        let slot = &self.slots[turn as usize % SLOTS];
        let seen = slot.turn.load(Relaxed);
        if seen < turn {
            self.renew(slot, turn);
        } else if seen > turn {
            // The caller's clock is a whole window behind.
            return;
        }
        slot.counts[buckets::of(nanos)].fetch_add(1, Relaxed);
    }

    /// The latency that a share of the calls in the window did not exceed, in nanoseconds and to a sixteenth of its
    /// value; `None` if there were no calls. Whether there were enough of them is the caller's to judge, by
    /// [`count`](Self::count).
    pub fn percentile(&self, share: Ratio, now: Time) -> Option<u64> {
        self.distribution(now).percentile(share)
    }

    /// Calls in the window.
    pub fn count(&self, now: Time) -> u64 {
        self.distribution(now).count()
    }

    /// All of the window at once. Costs a few microseconds: not for each call.
    pub fn distribution(&self, now: Time) -> Distribution {
        let turn = self.turn(now);
        let mut sum = Distribution::default();
        let _renewal = lock(&self.renewal);
        for slot in self.slots.iter() {
            if turn.saturating_sub(slot.turn.load(Relaxed)) < SLOTS as u64 {
                sum.add(slot.counts.iter().map(|count| count.load(Relaxed)));
            }
        }
        sum
    }

    #[inline]
    fn turn(&self, now: Time) -> u64 {
        ((u128::from(now.as_nanos()) * u128::from(self.turns)) >> 64) as u64
    }

    #[cold]
    fn renew(&self, slot: &Slot, turn: u64) {
        let _renewal = lock(&self.renewal);
        if slot.turn.load(Relaxed) < turn {
            slot.counts.iter().for_each(|count| count.store(0, Relaxed));
            slot.turn.store(turn, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn percent(percent: u32) -> Ratio {
        Ratio::from_percent(percent).expect("a share")
    }

    fn recorded(nanos: impl IntoIterator<Item = u64>) -> Latencies {
        let latencies = Latencies::new(Duration::from_secs(60));
        nanos.into_iter().for_each(|nanos| latencies.record(nanos, Time::from_secs(1)));
        latencies
    }

    #[test]
    fn percentiles_are_those_of_the_samples_to_a_sixteenth() {
        let latencies = recorded((1..=1_000).map(|i| i * MS));
        for share in [1, 10, 50, 90, 95, 99, 100] {
            let seen = latencies.percentile(percent(share), Time::from_secs(2)).expect("calls");
            let exact = u64::from(share) * 10 * MS;
            assert!(seen.abs_diff(exact) <= exact / 16, "p{share}: {seen} for {exact}");
        }
        assert_eq!(latencies.count(Time::from_secs(2)), 1_000);
    }

    #[test]
    fn a_percentile_of_nothing_is_none() {
        let latencies = recorded([]);
        assert_eq!(latencies.percentile(Ratio::HALF, Time::from_secs(2)), None);
        assert_eq!(latencies.count(Time::from_secs(2)), 0);
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let latencies = recorded([100 * MS; 50]);
        latencies.record(10 * MS, Time::from_secs(40));
        assert_eq!(latencies.count(Time::from_secs(59)), 51);
        assert_eq!(latencies.count(Time::from_secs(61)), 1);
        latencies.record(10 * MS, Time::from_secs(62));
        assert_eq!(latencies.count(Time::from_secs(62)), 2, "the slot was emptied before it was used again");
        assert_eq!(latencies.count(Time::from_secs(1_000)), 0);
    }

    #[test]
    fn a_caller_whose_clock_is_behind_adds_what_still_counts_and_spoils_nothing() {
        let latencies = recorded([]);
        latencies.record(MS, Time::from_secs(70));
        latencies.record(MS, Time::from_secs(50));
        latencies.record(MS, Time::from_secs(1));
        assert_eq!(latencies.count(Time::from_secs(70)), 2);
    }

    #[test]
    fn no_latency_and_no_moment_is_too_great() {
        let latencies = recorded([0, 1, u64::MAX]);
        latencies.record(u64::MAX, Time::NEVER);
        assert_eq!(latencies.count(Time::NEVER), 1);
        assert!(latencies.percentile(Ratio::ONE, Time::NEVER) >= Some(100_000 * MS));
        assert_eq!(Latencies::new(Duration::MAX).percentile(Ratio::ONE, Time::NEVER), None);
        Latencies::new(Duration::ZERO).record(1, Time::NEVER);
    }

    #[test]
    fn it_all_fits_in_four_kibibytes() {
        let slots = size_of::<[Slot; SLOTS]>();
        assert!(size_of::<Latencies>() + slots <= 4_096, "{slots} bytes");
    }
}
