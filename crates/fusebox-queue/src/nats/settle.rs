//! What becomes of leased items, and of those that time ends.

use super::desk::Desk;
use super::row::Row;
use crate::error::StoreError;
use crate::item::{ItemId, Token};
use crate::record::State;
use crate::store::{Cancelled, Settled, Settlement, Swept};
use async_nats::jetstream::AckKind;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Desk {
    pub(super) async fn extend(&self, leases: Vec<Token>, ttl: Duration) -> Result<Vec<Settled>, StoreError> {
        let mut told = Vec::with_capacity(leases.len());
        for Token { id, lease } in leases {
            let changed = self.ledger.change(id, |row, _| {
                let now = self.clock.now();
                row.view.record.extend(lease, now.after(ttl), now)
            });
            let Some((settled, row)) = changed.await? else {
                told.push(Settled::Fenced);
                continue;
            };
            if let (Settled::Applied, Some(reply)) = (settled, &row.reply) {
                // Unheard, the carrier is delivered to somebody whom the row sends away.
                let _ = self.carriers.tell(reply, AckKind::Progress).await;
            }
            told.push(settled);
        }
        Ok(told)
    }

    pub(super) async fn settle(
        &self,
        settlements: Vec<(Token, Settlement)>,
    ) -> Result<Vec<Settled>, StoreError> {
        let mut told = Vec::with_capacity(settlements.len());
        for (Token { id, lease }, settlement) in settlements {
            let changed = self
                .ledger
                .change(id, |row, _| row.view.record.settle(lease, settlement.clone(), self.clock.now()));
            let Some((settled, row)) = changed.await? else {
                told.push(Settled::Fenced);
                continue;
            };
            if settled == Settled::LateSuccess {
                let _ = self.carriers.unbury(&row).await;
            }
            if matches!(settled, Settled::Applied | Settled::LateSuccess) {
                self.follow(&row).await;
            }
            told.push(settled);
        }
        Ok(told)
    }

    /// Has the carrier follow what its row says. Where that fails, its next delivery does it.
    async fn follow(&self, row: &Row) {
        let record = &row.view.record;
        match record.state {
            State::Ready => {
                self.put_off(row.reply.as_deref(), record.due_at.since(self.clock.now())).await;
            }
            State::Leased => {}
            State::Dead(_) => _ = self.bury(row).await,
            State::Done | State::Expired | State::Cancelled => _ = self.end(row, AckKind::Ack).await,
        }
    }

    /// The dead first, then the carrier: in between it is in both, and never in neither.
    async fn bury(&self, row: &Row) -> Result<(), StoreError> {
        if let Some(carrier) = self.carriers.carrier(row).await?.filter(|carrier| carrier.is_of(row)) {
            self.carriers.bury(row, carrier.payload).await?;
        }
        self.end(row, AckKind::Term).await
    }

    async fn end(&self, row: &Row, kind: AckKind) -> Result<(), StoreError> {
        match &row.reply {
            Some(reply) => self.carriers.tell(reply, kind).await,
            // It was never leased: its next delivery says so.
            None => Ok(()),
        }
    }

    pub(super) async fn cancel(&self, id: ItemId) -> Result<Cancelled, StoreError> {
        let changed = self.ledger.change(id, |row, _| row.view.record.cancel(self.clock.now()));
        Ok(match changed.await? {
            None => Cancelled::Unknown,
            Some((true, row)) => {
                self.follow(&row).await;
                Cancelled::Cancelled
            }
            Some((false, row)) => Cancelled::TooLate(row.view.record.state),
        })
    }

    /// Looks at the next `limit` rows, and begins anew at the end of them all.
    pub(super) async fn sweep(&self, limit: usize) -> Result<Swept, StoreError> {
        let page = self.ledger.page(self.swept_to.load(Relaxed), limit).await?;
        let mut swept = Swept::default();
        for kept in &page.kept {
            let (mut row, now) = (kept.row.clone(), self.clock.now());
            let before = row.view.record.state.clone();
            if row.view.record.sweep(now) {
                if !self.ledger.write(&row, kept.revision).await? {
                    continue;
                }
                let after = &row.view.record.state;
                swept.expired += u64::from(before == State::Ready);
                swept.crashed += u64::from(before == State::Leased);
                swept.died += u64::from(matches!(after, State::Dead(_)));
                self.follow(&row).await;
                continue;
            }
            let kept_until = row.view.kept_until(self.limits.provider_window);
            let is_dead = matches!(row.view.record.state, State::Dead(_));
            if kept_until.is_some_and(|at| at <= now) {
                self.ledger.forget(kept.revision).await?;
                swept.forgotten += 1;
            } else if is_dead && kept.written_at.after(self.key_ttl / 2) <= now {
                // The dead stay: a row that is written again begins its life anew.
                self.ledger.write(&row, kept.revision).await?;
            }
        }
        self.swept_to.store(page.next.unwrap_or(1), Relaxed);
        Ok(swept)
    }
}
