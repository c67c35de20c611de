//! Which items of a queue have not ended, so that its oldest is known without an index that every item enters and leaves.
//!
//! Numbers are given in the order in which items come, so the lowest is the oldest. They are read from the file when somebody asks
//! for the first time, kept up from then on, and forgotten when a transaction is undone.

use std::collections::{BTreeMap, HashMap};

/// Those of the queues that somebody has asked about.
#[derive(Default)]
pub(super) struct Unended(HashMap<String, Ids>);

/// A set of numbers that lie close together: a word for each 64 of them.
#[derive(Default)]
struct Ids(BTreeMap<u64, u64>);

impl Ids {
    fn set(&mut self, id: u64, there: bool) {
        let (word, bit) = (id >> 6, 1 << (id & 63));
        if there {
            *self.0.entry(word).or_default() |= bit;
        } else if let Some(bits) = self.0.get_mut(&word) {
            *bits &= !bit;
            if *bits == 0 {
                self.0.remove(&word);
            }
        }
    }

    fn lowest(&self) -> Option<u64> {
        self.0.first_key_value().map(|(word, bits)| word << 6 | u64::from(bits.trailing_zeros()))
    }
}

impl Unended {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn knows(&self, queue: &str) -> bool {
        self.0.contains_key(queue)
    }

    pub(super) fn learn(&mut self, queue: &str, ids: impl IntoIterator<Item = u64>) {
        let all = self.0.entry(queue.to_owned()).or_default();
        ids.into_iter().for_each(|id| all.set(id, true));
    }

    /// Tells of an item that has come or ended, or lives again.
    pub(super) fn tell(&mut self, queue: &str, id: u64, live: bool) {
        if let Some(ids) = self.0.get_mut(queue) {
            ids.set(id, live);
        }
    }

    pub(super) fn oldest(&self, queue: &str) -> Option<u64> {
        self.0.get(queue).and_then(Ids::lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_lowest_that_has_not_ended() {
        let mut unended = Unended::default();
        unended.tell("q", 1, true);
        assert_eq!(unended.oldest("q"), None, "nobody has asked about it");
        unended.learn("q", [700, 64, 63]);
        assert_eq!(unended.oldest("q"), Some(63));
        unended.tell("q", 63, false);
        assert_eq!(unended.oldest("q"), Some(64));
        unended.tell("q", 64, false);
        unended.tell("q", 5, false);
        assert_eq!(unended.oldest("q"), Some(700));
        unended.tell("q", 3, true);
        assert_eq!((unended.oldest("q"), unended.oldest("r")), (Some(3), None));
    }
}
