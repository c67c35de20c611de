//! What is being made: a row for each call for leases, with the numbers of the items that it was answered with.
//!
//! An index of all leased items would be entered and left by each of them. The row goes with the last of its items; one that the owner
//! has lost count of, since a transaction was undone, goes when it is swept.

use super::desk::{Desk, Done};
use super::rows::millis;
use crate::clock::Timestamp;
use crate::item::{ItemId, View};
use crate::record::Lease;
use crate::store::Leased;
use rusqlite::params;
use std::collections::HashMap;
use std::fmt::Write;

/// Finds the items that are leased still, as `item`. `CROSS` keeps SQLite from looking at all other items first.
pub(super) const LEASED: &str = "flight CROSS JOIN json_each(flight.ids) AS one CROSS JOIN item ON item.id = one.value \
     AND item.state = 1 AND item.last_lease = flight.lease";
/// More items are read again when they are settled.
const MOST: usize = 16_384;

/// What the owner knows of them without reading. Forgotten when a transaction is undone.
#[derive(Default)]
pub(super) struct Flights {
    /// Leased items, and the bytes of their payloads.
    items: HashMap<ItemId, (View, i64)>,
    /// How many of a lease's items are in flight.
    left: HashMap<u64, usize>,
}

impl Flights {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.left.clear();
    }

    pub(super) fn keep(&mut self, view: View, bytes: i64) {
        if self.items.len() < MOST {
            self.items.insert(view.id, (view, bytes));
        }
    }

    pub(super) fn knows(&self, id: ItemId) -> bool {
        self.items.contains_key(&id)
    }

    /// Gives an item up: whoever changes it, keeps it again.
    pub(super) fn take(&mut self, id: ItemId) -> Option<(View, i64)> {
        self.items.remove(&id)
    }

    /// Whether it was known to be the last of its lease.
    fn land(&mut self, lease: u64) -> bool {
        let Some(left) = self.left.get_mut(&lease) else { return false };
        *left -= 1;
        *left == 0 && self.left.remove(&lease).is_some()
    }
}

impl Desk {
    /// Writes down who was leased under a number.
    pub(super) fn take_off(&mut self, lease: u64, until: Timestamp, leased: &[Leased]) -> Done<()> {
        if leased.is_empty() {
            return Ok(());
        }
        let mut ids = String::with_capacity(leased.len() * 8);
        for Leased { token, .. } in leased {
            let _ = write!(ids, "{}{}", if ids.is_empty() { '[' } else { ',' }, token.id.0);
        }
        ids.push(']');
        self.run("INSERT INTO flight VALUES (?1, ?2, ?3)", params![lease.cast_signed(), millis(until), ids])?;
        self.flights.left.insert(lease, leased.len());
        for Leased { view, payload, .. } in leased {
            self.flights.keep(view.clone(), payload.len() as i64);
        }
        Ok(())
    }

    /// Hears that an item is leased no more.
    pub(super) fn land(&mut self, lease: u64) -> Done<()> {
        match self.flights.land(lease) {
            true => self.run("DELETE FROM flight WHERE lease = ?1", [lease.cast_signed()]).map(drop),
            false => Ok(()),
        }
    }

    /// Hears that one of a lease's items is leased for less long than the others.
    pub(super) fn hurry(&self, lease: Lease) -> Done<()> {
        let sql = "UPDATE flight SET until = MIN(until, ?2) WHERE lease = ?1";
        self.run(sql, params![lease.number.cast_signed(), millis(lease.until)]).map(drop)
    }

    /// Lets go of those rows whose items have all landed, where that was not seen.
    pub(super) fn sweep_flights(&self, now: Timestamp) -> Done<()> {
        let landed = "DELETE FROM flight WHERE until <= ?1 AND NOT EXISTS (SELECT 1 FROM json_each(flight.ids) AS one \
             CROSS JOIN item ON item.id = one.value AND item.state = 1 AND item.last_lease = flight.lease)";
        self.run(landed, [millis(now)]).map(drop)
    }
}
