//! Giving items to those who make the calls, and hearing what came of them.

use super::desk::{Desk, Done};
use super::rows::{COLUMNS, REST, asked_since, millis, view};
use super::save::{Change, is_done_only};
use crate::clock::Timestamp;
use crate::item::{ItemId, Token, View};
use crate::record::{Record, State};
use crate::store::{Cancelled, LeaseRequest, Leased, Settled, Settlement};
use rusqlite::{Row, params};
use std::sync::LazyLock;
use std::time::Duration;

/// What may be leased at `?2`, with its call.
const DUE: &str =
    "state = 0 AND queue = ?1 AND due_at <= ?2 AND expires_at > CASE WHEN needs_check THEN ?3 ELSE ?2 END";
static BY_CLASS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, payload, format FROM item INDEXED BY item_due WHERE {DUE} AND class = ?5 \
         ORDER BY due_at, id LIMIT ?4"
    )
});
/// What is only asked for any more is in no hurry.
static SOONEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, payload, format FROM item INDEXED BY item_expiry WHERE {DUE} AND ended_at IS NULL \
         AND expires_at > ?2 ORDER BY expires_at, id LIMIT ?4"
    )
});

type Call = (View, Vec<u8>, u16);

fn call(row: &Row<'_>) -> rusqlite::Result<Call> {
    Ok((view(row)?, row.get(REST)?, row.get(REST + 1)?))
}

impl Desk {
    pub(super) fn lease(&mut self, request: &LeaseRequest) -> Done<Vec<Leased>> {
        if self.is_paused(&request.queue)? {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let until = now.after(request.ttl);
        let mut due = Vec::new();
        if request.soonest {
            let wanted = params![request.queue, millis(now), asked_since(now), request.most];
            due = self.all(&SOONEST, wanted, call)?;
        } else {
            for class in (0..4usize).rev() {
                let room = request.quota[class].min(request.most - due.len());
                if room > 0 {
                    let wanted = params![request.queue, millis(now), asked_since(now), room, class];
                    due.append(&mut self.all(&BY_CLASS, wanted, call)?);
                }
            }
        }
        self.lease_these(due, until, now)
    }

    /// Leases them under one number.
    fn lease_these(&mut self, due: Vec<Call>, until: Timestamp, now: Timestamp) -> Done<Vec<Leased>> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let number = self.next_lease();
        let lease = |(mut view, payload, format): Call| {
            let attempted = view.record.first_attempt_at.is_some();
            let token = Token { id: view.id, lease: number };
            let leased = view.record.lease(number, until, now);
            leased.then_some((Leased { token, view, payload, format }, attempted))
        };
        let leased: Vec<_> = due.into_iter().filter_map(lease).collect();
        self.save_leases(&leased)?;
        let leased: Vec<_> = leased.into_iter().map(|(leased, _)| leased).collect();
        self.take_off(number, until, &leased)?;
        Ok(leased)
    }

    /// A number that no other lease of an item has.
    fn next_lease(&mut self) -> u64 {
        self.leases += 1;
        self.epoch.cast_unsigned() << 32 | u64::from(self.leases)
    }

    pub(super) fn extend(&mut self, leases: &[Token], ttl: Duration) -> Done<Vec<Settled>> {
        let now = self.clock.now();
        let extend = |token: &Token| {
            self.change(*token, |record| record.extend(token.lease, now.after(ttl), now), None)
        };
        leases.iter().map(extend).collect()
    }

    pub(super) fn settle(&mut self, settlements: &[(Token, Settlement)]) -> Done<Vec<Settled>> {
        let now = self.clock.now();
        let (mut settled, mut done) = (Vec::with_capacity(settlements.len()), Vec::new());
        for (token, settlement) in settlements {
            if !done.is_empty() && !self.flights.knows(token.id) {
                // It may be one of them.
                self.save_done(std::mem::take(&mut done))?;
            }
            let settle = |record: &mut Record| record.settle(token.lease, settlement.clone(), now);
            settled.push(self.change(*token, settle, Some(&mut done))?);
        }
        self.save_done(done)?;
        Ok(settled)
    }

    /// Changes an item; one that is done, and nothing else, is left to be saved with others in `done`.
    fn change(
        &mut self,
        token: Token,
        change: impl FnOnce(&mut Record) -> Settled,
        done: Option<&mut Vec<Change>>,
    ) -> Done<Settled> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {COLUMNS}, bytes FROM item WHERE id = ?1"));
        let found = match self.flights.take(token.id) {
            Some(kept) => Some(kept),
            None => self.one(&SQL, [token.id.0.cast_signed()], |row| Ok((view(row)?, row.get(REST)?)))?,
        };
        let Some((mut item, bytes)) = found else { return Ok(Settled::Fenced) };
        let before = item.record.clone();
        let settled = change(&mut item.record);
        if let Some(done) = done.filter(|_| is_done_only(&item.record, &before)) {
            done.push(Change { item, before, bytes });
            return Ok(settled);
        }
        if item.record != before {
            self.save(&item, &before, Some(bytes))?;
        }
        if item.record.state == State::Leased {
            self.flights.keep(item, bytes);
        }
        Ok(settled)
    }

    pub(super) fn cancel(&mut self, id: ItemId) -> Done<Cancelled> {
        let mut found = self.select("WHERE id = ?1", [id.0.cast_signed()])?;
        let Some(mut item) = found.pop() else { return Ok(Cancelled::Unknown) };
        let before = item.record.clone();
        if !item.record.cancel(self.clock.now()) {
            return Ok(Cancelled::TooLate(before.state));
        }
        self.save(&item, &before, None)?;
        Ok(Cancelled::Cancelled)
    }
}
