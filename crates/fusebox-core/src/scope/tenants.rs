//! The tenants' circuits, bounded: keys come from user input.

use super::Member;
use crate::Time;
use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// After a search for room in vain, this long passes before the next one.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Tenants {
    most: usize,
    known: Mutex<Known>,
    /// Whose circuit newcomers share when there is no room.
    other: Arc<Member>,
    turned_away: AtomicU64,
}

#[derive(Debug)]
struct Known {
    members: BTreeMap<u64, Arc<Member>>,
    search_again: Time,
}

impl Tenants {
    pub(super) fn new(most: u32, other: Member) -> Self {
        let known = Known { members: BTreeMap::new(), search_again: Time::ZERO };
        Tenants {
            most: most as usize,
            known: Mutex::new(known),
            other: Arc::new(other),
            turned_away: AtomicU64::new(0),
        }
    }

    /// The tenant with this key; made by `make` if it is new and there is room.
    pub(super) fn member(&self, key: u64, now: Time, make: impl FnOnce() -> Member) -> Arc<Member> {
        let mut known = lock(&self.known);
        if let Some(member) = known.members.get(&key) {
            return member.clone();
        }
        if known.members.len() >= self.most && !known.make_room(self.most, now) {
            self.turned_away.fetch_add(1, Relaxed);
            return self.other.clone();
        }
        known.members.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }

    /// Every tenant by its key, and the shared one as key 0.
    pub(super) fn all(&self) -> Vec<(u64, Arc<Member>)> {
        let known = lock(&self.known);
        let members = known.members.iter().map(|(key, member)| (*key, member.clone()));
        core::iter::once((0, self.other.clone())).chain(members).collect()
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }
}

impl Known {
    /// Lets go of tenants whose circuit is idle and who have no call in flight; whether there is room now.
    fn make_room(&mut self, most: usize, now: Time) -> bool {
        if now < self.search_again {
            return false;
        }
        self.members.retain(|_, member| Arc::strong_count(member) > 1 || !member.circuit.is_idle(now));
        let room = self.members.len() < most;
        if !room {
            self.search_again = now + SEARCH_PAUSE;
        }
        room
    }
}
