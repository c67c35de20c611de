//! What operators do, a part at a time: each is a transaction of its own, in which the audit trail says how many were moved so far, so
//! that an order to very many lets others in between.

use super::counts::Sums;
use super::desk::{Desk, Done};
use super::rows::millis;
use crate::clock::Timestamp;
use crate::item::{ItemId, View};
use crate::order::{Act, Order};
use crate::store::Filter;
use rusqlite::params;

/// Items that one part reads.
const PART: usize = 1_000;

/// How far an order has come.
#[derive(Clone, Default)]
pub(super) struct Progress {
    /// Which of its states it is at.
    state: usize,
    /// The last item that was read of that state.
    after: Option<ItemId>,
    /// Items that were moved.
    moved: usize,
    /// Its line in the audit trail.
    audit: Option<i64>,
    /// Whether there is nothing left to do.
    pub(super) done: bool,
}

impl Desk {
    /// The whole of an order that changes nothing.
    pub(super) fn rehearse(&mut self, order: &Order) -> Done<Vec<ItemId>> {
        let (mut moved, mut progress) = (Vec::new(), Progress::default());
        while !progress.done {
            moved.append(&mut self.operate(order, &mut progress)?);
        }
        Ok(moved)
    }

    /// Does the next part of an order; answers whom it moved.
    pub(super) fn operate(&mut self, order: &Order, progress: &mut Progress) -> Done<Vec<ItemId>> {
        order.check()?;
        let (now, mut moved) = (self.clock.now(), Vec::new());
        if !order.dry_run && progress.audit.is_none() {
            self.pause(order)?;
        }
        let wanted = |state: &&&str| order.filter.state.is_none_or(|wanted| wanted == **state);
        let states: Vec<_> = order.act.states().iter().filter(wanted).collect();
        if let Some(state) = states.get(progress.state) {
            let filter = Filter {
                state: Some(state),
                after: progress.after.or(order.filter.after),
                ..order.filter.clone()
            };
            let part = self.list(&filter, PART)?;
            match part.last() {
                Some(last) => progress.after = Some(last.id),
                None => (progress.state, progress.after) = (progress.state + 1, None),
            }
            for item in part {
                let id = item.id;
                if progress.moved < order.limit && self.operate_on(item, order, now)? {
                    moved.push(id);
                    progress.moved += 1;
                }
            }
        }
        progress.done = progress.state >= states.len() || progress.moved >= order.limit;
        if !order.dry_run {
            self.write_down(order, progress, now)?;
        }
        Ok(moved)
    }

    fn pause(&mut self, order: &Order) -> Done<()> {
        let sql = match order.act {
            Act::Pause => "INSERT OR IGNORE INTO paused VALUES (?1)",
            Act::Resume => "DELETE FROM paused WHERE queue = ?1",
            _ => return Ok(()),
        };
        self.run(sql, [&order.filter.queue]).map(drop)
    }

    fn write_down(&mut self, order: &Order, progress: &mut Progress, now: Timestamp) -> Done<()> {
        if let Some(line) = progress.audit {
            return self
                .run("UPDATE audit SET items = ?2 WHERE id = ?1", params![line, progress.moved])
                .map(drop);
        }
        let told = order.audited(progress.moved, now);
        progress.audit = self.one(
            "INSERT INTO audit (at, actor, act, filter, items, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
            params![millis(told.at), told.actor, told.act, told.filter, told.items, told.reason],
            |row| row.get(0),
        )?;
        Ok(())
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
        self.count(&item.queue, item.record.class, Sums::gone(item))?;
        self.write_last_id()?;
        self.run("DELETE FROM item WHERE id = ?1", [item.id.0.cast_signed()]).map(drop)
    }
}
