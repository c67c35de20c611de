//! What retries may cost.
//!
//! Retries may be a share of the first tries of the last ten seconds, and always a few per second besides. The
//! floor runs on time, not on successes: a budget that only successes refill is empty exactly when nothing
//! succeeds, and then nothing can ever succeed through a retry again.

use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Ratio, Time};

/// Slots of the sliding window, a second each.
const SLOTS: usize = 10;
const SECOND: u64 = 1_000_000_000;

/// A budget's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Retries allowed as a share of first tries. Default: 0.1.
    pub ratio: f64,
    /// Retries allowed per second whatever the traffic. Default: 1.
    pub floor_per_second: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        BudgetConfig { ratio: 0.1, floor_per_second: 1.0 }
    }
}

/// A retry budget, shared by all calls of one dependency.
#[derive(Debug)]
pub struct Budget {
    ratio: Ratio,
    /// Nanoseconds from one floor retry to the next; 0 when there is no floor.
    floor_every: u64,
    firsts: AtomicU64,
    denied: AtomicU64,
    window: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// First tries and ratio-paid retries by second.
    slots: [(u64, u64); SLOTS],
    second: u64,
    firsts_seen: u64,
    /// The moment from which the next floor retry may go.
    floor_next: Time,
}

impl Budget {
    /// A budget with no first tries behind it.
    pub fn new(config: BudgetConfig) -> Self {
        let per_second = config.floor_per_second;
        let floor_every = if per_second > 0.0 { (SECOND as f64 / per_second) as u64 } else { 0 };
        Budget {
            ratio: Ratio::new(config.ratio).unwrap_or(Ratio::ZERO),
            floor_every,
            firsts: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            window: Mutex::new(Spent::default()),
        }
    }

    /// Counts a first try.
    #[inline]
    pub fn first_try(&self) {
        self.firsts.fetch_add(1, Relaxed);
    }

    /// Whether one more retry is paid for; if so, it is spent.
    pub fn withdraw(&self, now: Time) -> bool {
        let granted = lock(&self.window).withdraw(self, now);
        if !granted {
            self.denied.fetch_add(1, Relaxed);
        }
        granted
    }

    /// Retries refused so far.
    pub fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }
}

impl Spent {
    fn withdraw(&mut self, budget: &Budget, now: Time) -> bool {
        self.turn(now.as_nanos() / SECOND);
        let firsts = budget.firsts.load(Relaxed);
        let slot = (self.second % SLOTS as u64) as usize;
        self.slots[slot].0 += firsts - self.firsts_seen;
        self.firsts_seen = firsts;
        let (tries, retries) = self.slots.iter().fold((0, 0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        if retries < budget.ratio.of(tries) {
            self.slots[slot].1 += 1;
            return true;
        }
        let due = budget.floor_every > 0 && now >= self.floor_next;
        if due {
            self.floor_next = now.plus_nanos(budget.floor_every);
        }
        due
    }

    /// Forgets the slots that have left the window.
    fn turn(&mut self, second: u64) {
        let gone = second.saturating_sub(self.second).min(SLOTS as u64);
        for step in 1..=gone {
            self.slots[((self.second + step) % SLOTS as u64) as usize] = (0, 0);
        }
        if gone == SLOTS as u64 {
            self.slots = [(0, 0); SLOTS];
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_first_tries_and_one_a_second() {
        let budget = Budget::new(BudgetConfig::default());
        (0..100).for_each(|_| budget.first_try());
        let now = Time::from_secs(5);
        let granted = (0..50).filter(|_| budget.withdraw(now)).count();
        assert_eq!(granted, 11, "ten from the share, one from the floor");
        assert_eq!(budget.denied(), 39);
    }

    #[test]
    fn the_floor_refills_while_nothing_succeeds() {
        let budget = Budget::new(BudgetConfig::default());
        let granted = (0..60).filter(|s| budget.withdraw(Time::from_secs(*s))).count();
        assert_eq!(granted, 60, "one a second with no first try and no success at all");
    }

    #[test]
    fn old_first_tries_pay_for_nothing() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        (0..100).for_each(|_| budget.first_try());
        assert!(budget.withdraw(Time::from_secs(1)));
        assert!(!budget.withdraw(Time::from_secs(30)));
    }
}
