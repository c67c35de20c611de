//! What operators do, within a transaction.

use super::desk::{Desk, Done};
use super::rows::millis;
use crate::clock::Timestamp;
use crate::item::{ItemId, View};
use crate::order::{Act, Audited, Order};
use crate::record::State;
use crate::store::Filter;
use rusqlite::params;

/// Items that an order reads at a time.
const AT_A_TIME: usize = 1_000;

impl Desk {
    pub(super) fn operate(&mut self, order: &Order) -> Done<Vec<ItemId>> {
        order.check()?;
        let (now, mut moved) = (self.clock.now(), Vec::new());
        if let (Act::Pause | Act::Resume, Some(queue), false) =
            (order.act, &order.filter.queue, order.dry_run)
        {
            self.run(
                match order.act {
                    Act::Pause => "INSERT OR IGNORE INTO paused VALUES (?1)",
                    _ => "DELETE FROM paused WHERE queue = ?1",
                },
                [queue],
            )?;
        }
        let wanted = order.filter.state;
        for state in order.act.states().iter().filter(|state| wanted.is_none_or(|wanted| wanted == **state)) {
            let mut filter = Filter { state: Some(state), ..order.filter.clone() };
            // Some at a time: what is in the file need not fit into memory.
            loop {
                let batch = self.list(&filter, AT_A_TIME)?;
                let Some(last) = batch.last().map(|item| item.id) else { break };
                for item in batch {
                    let id = item.id;
                    if moved.len() < order.limit && self.operate_on(item, order, now)? {
                        moved.push(id);
                    }
                }
                if moved.len() >= order.limit {
                    break;
                }
                filter.after = Some(last);
            }
        }
        if !order.dry_run {
            let told = order.audited(moved.len(), now);
            self.run(
                "INSERT INTO audit (at, actor, act, filter, items, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![millis(told.at), told.actor, told.act, told.filter, told.items, told.reason],
            )?;
        }
        Ok(moved)
    }

    /// Whether an order moves this item; it has, unless it is a dry run.
    fn operate_on(&mut self, mut item: View, order: &Order, now: Timestamp) -> Done<bool> {
        let before = item.record.clone();
        let forget = before.is_forgettable(self.limits.provider_window, now);
        if !order.act.apply(&mut item, &order.reason, forget, now) {
            return Ok(false);
        }
        match (order.dry_run, order.act) {
            (true, _) => {}
            (false, Act::Purge) => self.erase(&item)?,
            (false, _) => self.save(&item, &before, None)?,
        }
        Ok(true)
    }

    fn erase(&mut self, item: &View) -> Done<()> {
        if matches!(item.record.state, State::Dead(_)) {
            self.count(&item.queue, item.record.class, (0, 0, -1))?;
        }
        self.run("DELETE FROM item WHERE id = ?1", [item.id.0.cast_signed()]).map(drop)
    }

    pub(super) fn audit(&mut self, limit: usize) -> Done<Vec<Audited>> {
        let sql = "SELECT at, actor, act, filter, items, reason FROM audit ORDER BY id DESC LIMIT ?1";
        self.all(sql, [limit], |row| {
            Ok(Audited {
                at: Timestamp(row.get::<_, i64>(0)?.cast_unsigned()),
                actor: row.get(1)?,
                act: row.get(2)?,
                filter: row.get(3)?,
                items: row.get(4)?,
                reason: row.get(5)?,
            })
        })
    }

    pub(super) fn queues(&mut self) -> Done<Vec<String>> {
        self.write_counts()?;
        self.all("SELECT DISTINCT queue FROM tally ORDER BY queue", (), |row| row.get(0))
    }
}
