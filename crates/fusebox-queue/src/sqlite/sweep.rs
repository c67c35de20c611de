//! What time alone brings about.

use super::counts::Sums;
use super::desk::{Desk, Done};
use super::flights::LEASED;
use super::rows::{asked_since, millis};
use crate::clock::Timestamp;
use crate::item::View;
use crate::record::State;
use crate::store::Swept;
use fusebox_core::Priority;
use rusqlite::params;
use std::sync::LazyLock;

/// Leases that ran out by `?1`.
static CRASHED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WHERE id IN (SELECT item.id FROM {LEASED} WHERE flight.until <= ?1 AND item.lease_until <= ?1) \
         ORDER BY lease_until, id LIMIT ?2"
    )
});
/// What ran out of time by `?1`, or by `?3` if it is still to be asked for.
const EXPIRED: &str = "WHERE state = 0 AND ended_at IS NULL AND expires_at <= ?1 \
     AND (expires_at <= ?3 OR NOT needs_check) ORDER BY expires_at + (?1 - ?3) * needs_check, id LIMIT ?2";
/// What has waited for long by `?1`.
const DELAYED: &str =
    "WHERE state = 0 AND ended_at IS NULL AND delayed_at <= ?1 ORDER BY delayed_at, id LIMIT ?2";
/// Ended items whose key need not be known after `?1`.
const OVER: &str = "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE keep_until <= ?1 LIMIT ?2) \
     RETURNING queue, class, death IS NOT NULL";

impl Desk {
    pub(super) fn sweep(&mut self, limit: usize) -> Done<Swept> {
        let (now, mut swept) = (self.clock.now(), Swept::default());
        let crashed = self.select(&CRASHED, params![millis(now), limit])?;
        self.sweep_these(crashed, now, &mut swept)?;
        self.sweep_flights(now)?;
        let expired = self.select(EXPIRED, params![millis(now), limit, asked_since(now)])?;
        self.sweep_these(expired, now, &mut swept)?;
        let delayed = self.select(DELAYED, params![millis(now), limit])?;
        self.sweep_these(delayed, now, &mut swept)?;
        swept.forgotten = self.forget_over(now, limit)?;
        Ok(swept)
    }

    fn forget_over(&mut self, now: Timestamp, limit: usize) -> Done<u64> {
        let erased = self.all(OVER, params![millis(now), limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, usize>(1)?, row.get::<_, bool>(2)?))
        })?;
        for (queue, class, _) in erased.iter().filter(|(.., dead)| *dead) {
            let class = Priority::ALL.get(*class).map_or(Priority::Normal, |(_, class)| *class);
            self.count(queue, class, Sums { dead: -1, ..Sums::default() })?;
        }
        if !erased.is_empty() {
            self.write_last_id()?;
        }
        Ok(erased.len() as u64)
    }

    fn sweep_these(&mut self, items: Vec<View>, now: Timestamp, swept: &mut Swept) -> Done<()> {
        for mut item in items {
            let before = item.record.clone();
            if !item.record.sweep(now) {
                continue;
            }
            self.save(&item, &before, None)?;
            match item.record.state {
                _ if before.state == State::Leased => swept.crashed += 1,
                State::Ready => swept.delayed += 1,
                _ => swept.expired += 1,
            }
            swept.died += u64::from(matches!(item.record.state, State::Dead(_)));
        }
        Ok(())
    }
}
