//! A quota for each key, and not more than so many.
//!
//! Keys come from user input, so their number is a resource. A key whose quota has drained is as good as new and makes
//! room; while none has, newcomers share one quota and are counted. Locks are many and short: each guards a few dozen
//! keys. A tree and no hash table, because whoever chooses keys could choose ones that collide.

use super::cell::Cell;
use super::gcra::{self, Grant, Rate};
use super::snapshot::Tally;
use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Rejection, Time};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// Keys that a lock guards when the table is full, about.
const KEYS_PER_SHARD: usize = 64;
const MOST_SHARDS: usize = 4_096;
/// After a search of the whole table, this long passes before the next one: a second.
const SEARCH_PAUSE: u64 = 1_000_000_000;

/// Quotas by key.
#[derive(Debug)]
pub(super) struct Keys {
    shards: Box<[Shard]>,
    most: AtomicU64,
    held: AtomicU64,
    /// The quota that newcomers share while there is no room.
    other: Cell,
    turned_away: AtomicU64,
    search_again: AtomicU64,
}

#[repr(align(64))]
#[derive(Debug, Default)]
struct Shard(Mutex<Quotas>);

#[derive(Debug, Default)]
struct Quotas {
    tats: BTreeMap<u64, u64>,
    tally: Tally,
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        let shards = (most / KEYS_PER_SHARD).clamp(1, MOST_SHARDS).next_power_of_two();
        Keys {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            most: AtomicU64::new(most as u64),
            held: AtomicU64::new(0),
            other: Cell::default(),
            turned_away: AtomicU64::new(0),
            search_again: AtomicU64::new(0),
        }
    }

    pub(super) fn admit(&self, key: u64, rate: Rate, now: Time, latest: Time) -> Result<Grant, Rejection> {
        let shard = self.shard(key);
        for searched in [false, true] {
            let mut quotas = lock(&shard.0);
            let Quotas { tats, tally } = &mut *quotas;
            if let Some(tat) = tats.get_mut(&key) {
                return tally.admit(tat, rate, now, latest);
            }
            if self.take_room() || (let_go(tats, now, &self.held) && self.take_room()) {
                let tat = tats.entry(key).or_default();
                return tally.admit(tat, rate, now, latest);
            }
            drop(quotas);
            if searched || !self.search(now) {
                break;
            }
        }
        self.turned_away.fetch_add(1, Relaxed);
        self.other.admit(rate, now, latest).map(Grant::of_other)
    }

    pub(super) fn refund(&self, grant: Grant, key: u64, interval: u64, now: Time) {
        if grant.is_of_other() {
            return self.other.refund(grant, interval, now);
        }
        let mut quotas = lock(&self.shard(key).0);
        quotas.tally.refunded += 1;
        // A key that is gone has drained.
        if let Some(tat) = quotas.tats.get_mut(&key) {
            *tat = gcra::refunded(*tat, grant, interval, now).unwrap_or(*tat);
        }
    }

    pub(super) fn scale(&self, scaled: &impl Fn(u64) -> u64) {
        self.other.scale(scaled);
        for shard in &self.shards {
            lock(&shard.0).tats.values_mut().for_each(|tat| *tat = scaled(*tat));
        }
    }

    /// From now on. Keys that are too many go when they have drained.
    pub(super) fn hold_at_most(&self, most: usize) {
        self.most.store(most as u64, Relaxed);
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    pub(super) fn tally(&self) -> Tally {
        self.shards.iter().fold(self.other.tally(), |sum, shard| sum.and(lock(&shard.0).tally))
    }

    fn shard(&self, key: u64) -> &Shard {
        // Fibonacci hashing: the upper half of the product depends on every bit of the key.
        let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.shards[mixed as usize & (self.shards.len() - 1)]
    }

    fn take_room(&self) -> bool {
        let most = self.most.load(Relaxed);
        let one_more = |held| (held < most).then_some(held + 1);
        self.held.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    /// Looks through the whole table for keys that have drained, unless somebody just did; whether it has looked.
    #[cold]
    fn search(&self, now: Time) -> bool {
        let due = |again| (again <= now.as_nanos()).then(|| now.plus_nanos(SEARCH_PAUSE).as_nanos());
        if self.search_again.fetch_update(Relaxed, Relaxed, due).is_err() {
            return false;
        }
        for shard in &self.shards {
            let_go(&mut lock(&shard.0).tats, now, &self.held);
        }
        true
    }
}

impl Tally {
    /// Moves one key's quota on if the call may go, and counts it either way.
    fn admit(&mut self, tat: &mut u64, rate: Rate, now: Time, latest: Time) -> Result<Grant, Rejection> {
        match rate.admit(*tat, now, latest) {
            Ok((next, grant)) => {
                *tat = next;
                self.admitted += 1;
                self.waited += u64::from(grant.at() > now);
                Ok(grant)
            }
            Err(rejection) => {
                self.rejected += 1;
                Err(rejection)
            }
        }
    }
}

/// Lets go of keys that have drained; whether there were any.
fn let_go(tats: &mut BTreeMap<u64, u64>, now: Time, held: &AtomicU64) -> bool {
    let before = tats.len();
    tats.retain(|_, tat| *tat > now.as_nanos());
    let gone = before - tats.len();
    held.fetch_sub(gone as u64, Relaxed);
    gone > 0
}
