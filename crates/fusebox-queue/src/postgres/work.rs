//! Leasing items, settling them, and what time brings about.

use super::desk::{Counts, Desk, Done, Open};
use super::rows::{COLUMNS, REST, format, limit, millis};
use crate::clock::Timestamp;
use crate::item::{ItemId, Token, View};
use crate::record::{LAST_QUESTIONS, State};
use crate::store::{Cancelled, LeaseRequest, Leased, Settled, Settlement, Swept};
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::HashMap;
use std::time::Duration;

impl Desk<'_> {
    /// Leases what is due and nobody else has locked: workers that race do not wait for each other.
    pub(super) async fn lease(&mut self, request: &LeaseRequest) -> Done<Vec<Leased>> {
        let mut leased = Vec::new();
        if self.is_paused(&request.queue).await? {
            return Ok(leased);
        }
        let now = self.now().await?;
        let sql = self.sql(&format!(
            "SELECT {COLUMNS}, payload, format FROM @.item WHERE state = 0 AND queue = $1 AND class = $2 \
             AND due_at <= $3 AND expires_at > CASE WHEN needs_check THEN $5 ELSE $3 END ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED"
        ));
        if request.soonest {
            let sql = self.sql(&format!(
                "SELECT {COLUMNS}, payload, format FROM @.item WHERE state = 0 AND queue = $1 AND due_at <= $2 \
                 AND expires_at > $2 ORDER BY expires_at, id LIMIT $3 FOR UPDATE SKIP LOCKED"
            ));
            let due = sqlx::query(&sql).bind(&request.queue).bind(millis(now)).bind(limit(request.most));
            let rows = due.fetch_all(&mut *self.connection).await?;
            return self.lease_these(&rows, request.ttl).await;
        }
        for class in (0..4u8).rev() {
            let room = request.quota[usize::from(class)].min(request.most - leased.len());
            if room == 0 {
                continue;
            }
            let due = sqlx::query(&sql).bind(&request.queue).bind(i16::from(class)).bind(millis(now));
            let rows = due.bind(limit(room)).bind(asked_since(now)).fetch_all(&mut *self.connection).await?;
            leased.extend(self.lease_these(&rows, request.ttl).await?);
        }
        Ok(leased)
    }

    async fn lease_these(&mut self, rows: &[PgRow], ttl: Duration) -> Done<Vec<Leased>> {
        let (now, mut open) = (self.now().await?, Open::of(rows)?);
        let whole = open.ids();
        let mut calls = HashMap::new();
        for row in rows {
            let id = ItemId(row.try_get::<i64, _>(0)?.cast_unsigned());
            calls.insert(id, (row.try_get::<Vec<u8>, _>(REST)?, format(row, REST + 1)?));
        }
        // Asked for once the rows are locked: a later lease of an item has a larger number.
        let sql = self.sql("SELECT nextval('@.lease') FROM generate_series(1, $1)");
        let numbers = sqlx::query_scalar::<_, i64>(&sql).bind(limit(whole.len()));
        let numbers = numbers.fetch_all(&mut *self.connection).await?;

        let mut leased = Vec::new();
        for (id, number) in whole.into_iter().zip(numbers) {
            let lease = number.cast_unsigned();
            let done = open
                .change(id, now, |view| view.record.lease(lease, now.after(ttl), now).then(|| view.clone()));
            if let (Some(Some(view)), Some((payload, format))) = (done, calls.remove(&id)) {
                leased.push(Leased { token: Token { id, lease }, view, payload, format });
            }
        }
        self.close(open).await?;
        Ok(leased)
    }

    pub(super) async fn extend(&mut self, leases: &[Token], ttl: Duration) -> Done<Vec<Settled>> {
        let mut open = self.open(leases.iter().map(|token| token.id)).await?;
        let now = self.now().await?;
        let extend = |token: &Token| {
            open.change(token.id, now, |view| view.record.extend(token.lease, now.after(ttl), now))
                .unwrap_or(Settled::Fenced)
        };
        let told = leases.iter().map(extend).collect();
        self.close(open).await?;
        Ok(told)
    }

    pub(super) async fn settle(&mut self, settlements: &[(Token, Settlement)]) -> Done<Vec<Settled>> {
        let mut open = self.open(settlements.iter().map(|(token, _)| token.id)).await?;
        let now = self.now().await?;
        let settle = |(token, settlement): &(Token, Settlement)| {
            open.change(token.id, now, |view| view.record.settle(token.lease, settlement.clone(), now))
                .unwrap_or(Settled::Fenced)
        };
        let told = settlements.iter().map(settle).collect();
        self.close(open).await?;
        Ok(told)
    }

    pub(super) async fn sweep(&mut self, most: usize) -> Done<Swept> {
        let (now, mut swept) = (self.now().await?, Swept::default());
        for (of, by, asked) in [
            ("state = 1 AND lease_until <= $1", "lease_until", None),
            (
                "state = 0 AND expires_at <= $1 AND (expires_at <= $3 OR NOT needs_check)",
                "expires_at + CASE WHEN needs_check THEN $1 - $3 ELSE 0 END",
                Some(asked_since(now)),
            ),
            ("state = 0 AND delayed_at <= $1", "delayed_at", None),
        ] {
            let sql = self.sql(&format!(
                "SELECT {COLUMNS} FROM @.item WHERE {of} ORDER BY {by}, id LIMIT $2 FOR UPDATE SKIP LOCKED"
            ));
            let mut over = sqlx::query(&sql).bind(millis(now)).bind(limit(most));
            if let Some(asked) = asked {
                over = over.bind(asked);
            }
            let mut open = Open::of(&over.fetch_all(&mut *self.connection).await?)?;
            for id in open.ids() {
                let changed = open.change(id, now, |view| {
                    let leased = view.record.state == State::Leased;
                    view.record.sweep(now).then(|| (leased, view.record.state.clone()))
                });
                let Some(Some((leased, state))) = changed else { continue };
                match state {
                    _ if leased => swept.crashed += 1,
                    State::Ready => swept.delayed += 1,
                    _ => swept.expired += 1,
                }
                swept.died += u64::from(matches!(state, State::Dead(_)));
            }
            self.close(open).await?;
        }
        let sql = self.sql(
            "DELETE FROM @.item WHERE id = ANY(ARRAY(SELECT id FROM @.item WHERE keep_until <= $1 \
             ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING queue, class, death IS NOT NULL",
        );
        let over = sqlx::query(&sql).bind(millis(now)).bind(limit(most));
        let over = over.fetch_all(&mut *self.connection).await?;
        for row in &over {
            if row.try_get(2)? {
                let gone = Counts { dead: -1, ..Counts::default() };
                self.add(row.try_get(0)?, row.try_get(1)?, gone);
            }
        }
        swept.forgotten = over.len() as u64;
        Ok(swept)
    }

    pub(super) async fn cancel(&mut self, id: ItemId) -> Done<Cancelled> {
        let mut open = self.open([id].into_iter()).await?;
        let now = self.now().await?;
        let cancel = |view: &mut View| match view.record.cancel(now) {
            true => Cancelled::Cancelled,
            false => Cancelled::TooLate(view.record.state.clone()),
        };
        let told = open.change(id, now, cancel).or_else(|| open.broken(id).map(Cancelled::TooLate));
        self.close(open).await?;
        Ok(told.unwrap_or(Cancelled::Unknown))
    }
}

/// What expired before then is not even asked for any more.
fn asked_since(now: Timestamp) -> i64 {
    millis(now) - i64::try_from(LAST_QUESTIONS.as_millis()).unwrap_or(i64::MAX)
}
