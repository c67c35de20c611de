//! What each key holds, where one key may not hold everything.
//!
//! A key is known while one of its calls has a place or waits, and no longer: the map is never larger than the places
//! and the queue.

use super::line::Rank;
use super::places::fits;
use alloc::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<u64, Account>);

#[derive(Debug, Default)]
struct Account {
    /// Weight in places.
    held: u64,
    /// Calls in the queue, those set aside included.
    waiting: u64,
    /// Those of them that wait for their own key, not for a place.
    aside: BTreeSet<Rank>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `key` may hold `weight` more. A key that holds nothing may hold anything.
    pub(super) fn has_room(&self, key: u64, weight: u64, limit: u64) -> bool {
        fits(self.0.get(&key).map_or(0, |account| account.held), weight, limit)
    }

    pub(super) fn waiting(&self, key: u64) -> u64 {
        self.0.get(&key).map_or(0, |account| account.waiting)
    }

    pub(super) fn take(&mut self, key: u64, weight: u64) {
        self.0.entry(key).or_default().held += weight;
    }

    pub(super) fn give_back(&mut self, key: u64, weight: u64) {
        self.change(key, |account| account.held = account.held.saturating_sub(weight));
    }

    pub(super) fn arrive(&mut self, key: u64) {
        self.0.entry(key).or_default().waiting += 1;
    }

    /// A call leaves the queue, for whatever reason.
    pub(super) fn depart(&mut self, key: u64, rank: Rank) {
        self.change(key, |account| {
            account.waiting = account.waiting.saturating_sub(1);
            account.aside.remove(&rank);
        });
    }

    /// Sets a call aside that waits for its key.
    pub(super) fn set_aside(&mut self, key: u64, rank: Rank) {
        self.0.entry(key).or_default().aside.insert(rank);
    }

    /// The first that was set aside for `key`.
    pub(super) fn first_aside(&self, key: u64) -> Option<Rank> {
        self.0.get(&key)?.aside.first().copied()
    }

    pub(super) fn call_back(&mut self, key: u64, rank: Rank) {
        self.change(key, |account| {
            account.aside.remove(&rank);
        });
    }

    /// Calls back all that were set aside.
    pub(super) fn call_all_back(&mut self) -> BTreeSet<Rank> {
        let mut all = BTreeSet::new();
        self.0.values_mut().for_each(|account| all.append(&mut account.aside));
        all
    }

    /// Changes what is known of `key`, and forgets it when nothing is left.
    fn change(&mut self, key: u64, change: impl FnOnce(&mut Account)) {
        let Some(account) = self.0.get_mut(&key) else { return };
        change(account);
        if account.held == 0 && account.waiting == 0 {
            self.0.remove(&key);
        }
    }
}
