//! What retries may cost.
//!
//! In ten seconds, retries may be a share of the first tries, and a few per second besides. The few are there at once:
//! a circuit needs some failures to open, and each of those callers should have its second attempt. The floor runs on
//! time, not on successes: a budget that only successes refill is empty exactly when nothing
//! succeeds, and then nothing can ever succeed through a retry again.

use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Ratio, Time};
use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;

/// Slots of the sliding window, a second each.
const SLOTS: usize = 10;
const SECOND: u64 = 1_000_000_000;
const MILLION: u64 = 1_000_000;
/// The count in a slot of first tries.
const COUNT: u64 = u32::MAX as u64;

/// A budget's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Retries allowed as a share of first tries. Default: 0.1.
    pub ratio: f64,
    /// Retries allowed besides, per second over ten seconds, whatever the traffic. Default: 1.
    pub floor_per_second: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        BudgetConfig { ratio: 0.1, floor_per_second: 1.0 }
    }
}

impl BudgetConfig {
    /// Names each field that can never work, with what was found and what is accepted.
    pub(crate) fn check(self, refuse: &mut impl FnMut(&'static str, String, &str)) {
        let BudgetConfig { ratio, floor_per_second } = self;
        if !(0.0..=1.0).contains(&ratio) {
            let accepted = "a share from 0 to 1 (0.1 is one retry for ten calls)";
            refuse("budget.ratio", format!("{ratio}"), accepted);
        }
        if !(0.0..=10_000.0).contains(&floor_per_second) {
            refuse("budget.floor_per_second", format!("{floor_per_second}"), "a number from 0 to 10000");
        }
    }
}

/// A retry budget, shared by all calls of one dependency.
#[derive(Debug)]
pub struct Budget {
    /// First tries by second, each `[second: 32 | count: 32]`.
    firsts: [AtomicU64; SLOTS],
    denied: AtomicU64,
    spent: Mutex<Spent>,
}

/// A budget at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BudgetSnapshot {
    /// What could be withdrawn now.
    pub available: u64,
    /// First tries since the budget was made.
    pub first_tries: u64,
    /// Withdrawals since then: retries, or hedges where it is theirs.
    pub granted: u64,
    /// Withdrawals that were refused.
    pub denied: u64,
}

/// What is allowed in a whole window.
#[derive(Clone, Copy, Debug)]
struct Terms {
    ratio: Ratio,
    /// By the floor, in millionths of a retry.
    floor: u64,
}

impl Terms {
    fn of(config: BudgetConfig) -> Self {
        let floor = config.floor_per_second * SLOTS as f64 * MILLION as f64;
        Terms { ratio: Ratio::new(config.ratio).unwrap_or(Ratio::ZERO), floor: floor as u64 }
    }
}

#[derive(Debug)]
struct Spent {
    terms: Terms,
    /// Retries by second.
    slots: [(u64, u64); SLOTS],
    /// Retries in all.
    granted: u64,
    /// First tries of seconds whose slots have gone on.
    past_firsts: u64,
}

impl Spent {
    fn on(terms: Terms) -> Self {
        Spent { terms, slots: Default::default(), granted: 0, past_firsts: 0 }
    }
}

impl Budget {
    /// A budget with no first tries behind it.
    pub fn new(config: BudgetConfig) -> Self {
        Budget {
            firsts: Default::default(),
            denied: AtomicU64::new(0),
            spent: Mutex::new(Spent::on(Terms::of(config))),
        }
    }

    /// Allows what `config` says from now on. What has been tried and spent stays so.
    pub fn reconfigure(&self, config: BudgetConfig) {
        lock(&self.spent).terms = Terms::of(config);
    }

    /// Counts a first try.
    #[inline]
    pub fn first_try(&self, now: Time) {
        let second = now.as_nanos() / SECOND;
        let slot = &self.firsts[place(second)];
        let counted = |seen: u64| (seen >> 32 == second && seen & COUNT < COUNT).then(|| seen + 1);
        if let Err(seen) = slot.fetch_update(Relaxed, Relaxed, counted)
            && seen >> 32 < second
        {
            self.turn(slot, second);
        }
    }

    /// Whether one more retry is paid for; if so, it is spent.
    pub fn withdraw(&self, now: Time) -> bool {
        let mut spent = lock(&self.spent);
        if self.available(&spent, now) == 0 {
            self.denied.fetch_add(1, Relaxed);
            return false;
        }
        let second = now.as_nanos() / SECOND;
        let slot = &mut spent.slots[place(second)];
        *slot = (second, if slot.0 == second { slot.1 + 1 } else { 1 });
        spent.granted += 1;
        true
    }

    /// The budget at one moment.
    pub fn snapshot(&self, now: Time) -> BudgetSnapshot {
        let spent = lock(&self.spent);
        let live: u64 = self.firsts.iter().map(|slot| slot.load(Relaxed) & COUNT).sum();
        BudgetSnapshot {
            available: self.available(&spent, now),
            first_tries: spent.past_firsts + live,
            granted: spent.granted,
            denied: self.denied(),
        }
    }

    fn available(&self, spent: &Spent, now: Time) -> u64 {
        let second = now.as_nanos() / SECOND;
        let is_recent = |of: u64| second.saturating_sub(of) < SLOTS as u64;
        let firsts = self.firsts.iter().map(|slot| slot.load(Relaxed));
        let firsts: u64 = firsts.filter(|slot| is_recent(slot >> 32)).map(|slot| slot & COUNT).sum();
        let retries: u64 = spent.slots.iter().filter(|slot| is_recent(slot.0)).map(|slot| slot.1).sum();
        let Terms { ratio, floor } = spent.terms;
        let allowed = ratio.of(firsts.saturating_mul(MILLION)).saturating_add(floor) / MILLION;
        allowed.saturating_sub(retries)
    }

    /// Takes a slot into a new second with its first count. Under the lock, so that no count is ever missing in a
    /// snapshot.
    #[cold]
    fn turn(&self, slot: &AtomicU64, second: u64) {
        let mut spent = lock(&self.spent);
        let next = |seen: u64| match (seen >> 32).cmp(&second) {
            Ordering::Less => Some(second << 32 | 1),
            Ordering::Equal if seen & COUNT < COUNT => Some(seen + 1),
            // The slot has gone on to a later second, or can count no further.
            Ordering::Equal | Ordering::Greater => None,
        };
        if let Ok(seen) = slot.fetch_update(Relaxed, Relaxed, next)
            && seen >> 32 < second
        {
            spent.past_firsts += seen & COUNT;
        }
    }

    /// Retries refused so far.
    pub fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }
}

fn place(second: u64) -> usize {
    (second % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_terms_leave_what_was_tried_and_spent() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        let now = Time::from_secs(1);
        (0..20).for_each(|_| budget.first_try(now));
        assert!(budget.withdraw(now));
        budget.reconfigure(BudgetConfig { ratio: 0.5, floor_per_second: 0.0 });
        assert_eq!((budget.snapshot(now).available, budget.snapshot(now).granted), (9, 1));
    }

    #[test]
    fn a_tenth_of_first_tries_and_one_a_second() {
        let budget = Budget::new(BudgetConfig::default());
        let now = Time::from_secs(5);
        (0..100).for_each(|_| budget.first_try(now));
        let granted = (0..50).filter(|_| budget.withdraw(now)).count();
        assert_eq!(granted, 20, "ten from the share, ten from the floor");
        assert_eq!(budget.denied(), 30);
    }

    #[test]
    fn the_floor_refills_while_nothing_succeeds() {
        let budget = Budget::new(BudgetConfig::default());
        let granted = (0..60).filter(|s| budget.withdraw(Time::from_secs(*s))).count();
        assert_eq!(granted, 60, "one a second with no first try and no success at all");
        let at_once = (0..60).filter(|_| budget.withdraw(Time::from_secs(100))).count();
        assert_eq!(at_once, 10, "and those of ten seconds at once");
    }

    #[test]
    fn old_first_tries_pay_for_nothing() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        (0..100).for_each(|_| budget.first_try(Time::from_secs(1)));
        assert!(budget.withdraw(Time::from_secs(1)));
        assert!(budget.withdraw(Time::from_secs(10)));
        assert!(!budget.withdraw(Time::from_secs(11)));
    }

    #[test]
    fn an_hour_of_health_pays_for_no_more_retries_than_its_last_ten_seconds() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        for second in 0..=3_600 {
            (0..100).for_each(|_| budget.first_try(Time::from_secs(second)));
        }
        let granted = (0..1_000).filter(|_| budget.withdraw(Time::from_secs(3_600))).count();
        assert_eq!(granted, 100, "a tenth of ten seconds at 100 calls a second");
    }

    #[test]
    fn every_first_try_and_every_withdrawal_is_in_the_snapshot() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        for second in 0..100 {
            (0..50).for_each(|_| budget.first_try(Time::from_secs(second)));
        }
        let now = Time::from_secs(99);
        assert_eq!((0..60).filter(|_| budget.withdraw(now)).count(), 50);
        let expected = BudgetSnapshot { available: 0, first_tries: 5_000, granted: 50, denied: 10 };
        assert_eq!(budget.snapshot(now), expected);
        let rested = BudgetSnapshot { first_tries: 5_010, available: 1, ..expected };
        (0..10).for_each(|_| budget.first_try(Time::from_secs(200)));
        assert_eq!(budget.snapshot(Time::from_secs(200)), rested);
    }

    #[test]
    fn a_caller_with_a_stale_clock_takes_nothing_away() {
        let budget = Budget::new(BudgetConfig { ratio: 0.1, floor_per_second: 0.0 });
        (0..100).for_each(|_| budget.first_try(Time::from_secs(20)));
        budget.first_try(Time::from_secs(10));
        let granted = (0..100).filter(|_| budget.withdraw(Time::from_secs(20))).count();
        assert_eq!(granted, 10);
    }
}
