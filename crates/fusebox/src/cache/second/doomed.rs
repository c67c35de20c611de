//! What is to be forgotten, and is not yet.
//!
//! A level forgets in the background, and while it is down it forgets nothing. Until it has, this process takes no answer
//! from it that was to be forgotten.

use super::Place;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// More than these, and everything is to be forgotten.
const MOST: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Doomed {
    names: Mutex<HashMap<String, usize>>,
    /// How many names there are, so that nobody takes the lock for nothing.
    held: AtomicUsize,
    /// How often anything was to be forgotten.
    epoch: AtomicU64,
    /// Nothing that was stored by then is an answer. In nanoseconds since 1970.
    distrusted: AtomicU64,
}

impl Doomed {
    /// This is to be forgotten; whether there is room to do it by name.
    pub(super) fn add(&self, place: &Place, now: Duration) -> bool {
        let mut names = self.names();
        let fits = names.len() < MOST || names.contains_key(place.forgotten());
        if fits {
            *names.entry(place.forgotten().into()).or_default() += 1;
            // ORDERING: pairs with the load in `holds`: who sees the answer to a call that changed something sees this, too.
            self.held.store(names.len(), Ordering::Release);
            // ORDERING: pairs with the load in `epoch`, which is read after an entry was put into the first level.
            self.epoch.fetch_add(1, Ordering::AcqRel);
        } else {
            self.distrust(now);
        }
        fits
    }

    /// It is forgotten.
    pub(super) fn done(&self, place: &Place) {
        let mut names = self.names();
        if let Some(times) = names.get_mut(place.forgotten()) {
            *times -= 1;
            if *times == 0 {
                names.remove(place.forgotten());
            }
        }
        // ORDERING: as in `add`.
        self.held.store(names.len(), Ordering::Release);
    }

    /// Everything that is stored by now is to be forgotten.
    pub(super) fn distrust(&self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        // ORDERING: pairs with the load in `trusts`.
        self.distrusted.fetch_max(now, Ordering::AcqRel);
        // ORDERING: as in `add`.
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn holds(&self, place: &Place) -> bool {
        // ORDERING: pairs with the stores in `add` and `done`.
        self.held.load(Ordering::Acquire) > 0 && self.names().contains_key(place.forgotten())
    }

    /// Whether what was stored then may be an answer.
    pub(super) fn trusts(&self, stored_at: Duration) -> bool {
        // ORDERING: pairs with the exchange in `distrust`.
        let distrusted = self.distrusted.load(Ordering::Acquire);
        distrusted == 0 || stored_at.as_nanos() > distrusted.into()
    }

    /// Changes whenever something is to be forgotten.
    pub(super) fn epoch(&self) -> u64 {
        // ORDERING: pairs with the additions in `add` and `distrust`.
        self.epoch.load(Ordering::Acquire)
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(9);

    fn place(number: usize) -> Place {
        Place { entry: number.to_string(), group: None }
    }

    #[test]
    fn a_name_is_doomed_until_it_was_forgotten_as_often_as_it_was_to_be() {
        let doomed = Doomed::default();
        assert!(doomed.add(&place(1), NOW) && doomed.add(&place(1), NOW));
        doomed.done(&place(1));
        assert!(doomed.holds(&place(1)) && !doomed.holds(&place(2)));
        doomed.done(&place(1));
        assert!(!doomed.holds(&place(1)));
        assert_eq!(doomed.epoch(), 2);
    }

    #[test]
    fn when_there_are_too_many_names_nothing_older_is_trusted() {
        let doomed = Doomed::default();
        assert!((0..MOST).all(|number| doomed.add(&place(number), NOW)));
        assert!(doomed.trusts(Duration::ZERO));
        assert!(doomed.add(&place(0), NOW), "that name has its room");
        assert!(!doomed.add(&place(MOST), NOW));
        assert!(!doomed.trusts(NOW) && doomed.trusts(NOW + Duration::from_nanos(1)));
    }
}
