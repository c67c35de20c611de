//! Looking, and what operators do.

use super::desk::{Desk, Done, Open};
use super::rows::{COLUMNS, REST, format, held, limit, millis, number_of, text};
use crate::clock::Timestamp;
use crate::item::{Entry, ItemId, View};
use crate::order::{Act, Audited, Order};
use crate::store::Filter;
use crate::tally::Stats;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};

/// Items that an order reads at a time.
const AT_A_TIME: usize = 1_000;

impl Desk<'_> {
    pub(super) async fn find(&mut self, queue: &str, key: &str) -> Done<Option<View>> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM @.item WHERE queue = $1 AND key = $2"));
        let row = sqlx::query(&sql).bind(queue).bind(key).fetch_optional(&mut *self.connection).await?;
        Ok(row.map(|row| held(&row)).transpose()?.map(|held| held.view))
    }

    pub(super) async fn show(&mut self, id: ItemId) -> Done<Option<Entry>> {
        let sql = self.sql(&format!("SELECT {COLUMNS}, payload, format FROM @.item WHERE id = $1"));
        let row = sqlx::query(&sql).bind(id.0.cast_signed()).fetch_optional(&mut *self.connection).await?;
        let entry = |row: PgRow| -> sqlx::Result<Entry> {
            Ok(Entry { view: held(&row)?.view, payload: row.try_get(REST)?, format: format(&row, REST + 1)? })
        };
        Ok(row.map(entry).transpose()?)
    }

    pub(super) async fn list(&mut self, filter: &Filter, most: usize) -> Done<Vec<View>> {
        let rows = self.select(filter, most, "").await?;
        let views = rows.iter().map(|row| held(row).map(|held| held.view));
        Ok(views.collect::<sqlx::Result<_>>()?)
    }

    /// The rows that a filter lets through, by number.
    async fn select(&mut self, filter: &Filter, most: usize, lock: &str) -> Done<Vec<PgRow>> {
        let mut query =
            QueryBuilder::<Postgres>::new(self.sql(&format!("SELECT {COLUMNS} FROM @.item WHERE true")));
        if let Some(queue) = &filter.queue {
            query.push(" AND queue = ").push_bind(queue);
        }
        if let Some(state) = filter.state {
            // As a number and not as an argument: the partial indexes are for numbers.
            query.push(format!(" AND state = {}", number_of(state)));
        }
        if let Some(class) = filter.class {
            query.push(" AND class = ").push_bind(class as i16);
        }
        if let Some(death) = filter.death {
            query.push(" AND death = ").push_bind(death.as_str());
        }
        if let Some(id) = filter.id {
            query.push(" AND id = ").push_bind(id.0.cast_signed());
        }
        if let Some(key) = &filter.key {
            query.push(" AND key = ").push_bind(key);
        }
        if let Some(after) = filter.after {
            query.push(" AND id > ").push_bind(millis(Timestamp(after.0)));
        }
        query.push(" ORDER BY id LIMIT ").push_bind(limit(most)).push(lock);
        Ok(query.build().fetch_all(&mut *self.connection).await?)
    }

    pub(super) async fn operate(&mut self, order: &Order) -> Done<Vec<ItemId>> {
        order.check()?;
        let (now, mut moved) = (self.now().await?, Vec::new());
        let wanted = order.filter.state;
        for state in order.act.states().iter().filter(|state| wanted.is_none_or(|wanted| wanted == **state)) {
            let mut filter = Filter { state: Some(state), ..order.filter.clone() };
            // Some at a time: what is in the database need not fit into memory.
            while moved.len() < order.limit {
                let lock = if order.dry_run { "" } else { " FOR UPDATE" };
                let mut open = Open::of(&self.select(&filter, AT_A_TIME, lock).await?)?;
                let Some(last) = open.last() else { break };
                let mut purged = Vec::new();
                for id in open.ids() {
                    if moved.len() >= order.limit {
                        break;
                    }
                    let window = self.house.limits.provider_window;
                    let change = |view: &mut View| {
                        let forget = view.record.is_forgettable(window, now);
                        order.act.apply(view, &order.reason, forget, now).then(|| view.clone())
                    };
                    if let Some(Some(view)) = open.change(id, now, change) {
                        moved.push(id);
                        purged.extend((order.act == Act::Purge).then_some(view));
                    }
                }
                if !order.dry_run {
                    self.close(open).await?;
                    self.erase(&purged).await?;
                }
                filter.after = Some(last);
            }
        }
        if !order.dry_run {
            self.pause(order).await?;
            self.write_down(&order.audited(moved.len(), now)).await?;
        }
        Ok(moved)
    }

    async fn pause(&mut self, order: &Order) -> Done<()> {
        let (Act::Pause | Act::Resume, Some(queue)) = (order.act, &order.filter.queue) else { return Ok(()) };
        let sql = self.sql(
            "INSERT INTO @.queue (name, paused) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET paused = $2",
        );
        let pause = sqlx::query(&sql).bind(queue).bind(order.act == Act::Pause);
        pause.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn write_down(&mut self, told: &Audited) -> Done<()> {
        let sql = self.sql(
            "INSERT INTO @.audit (at, actor, act, filter, items, reason) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let write = sqlx::query(&sql).bind(millis(told.at)).bind(text(&told.actor)).bind(&told.act);
        let write = write.bind(text(&told.filter)).bind(told.items.cast_signed()).bind(text(&told.reason));
        write.execute(&mut *self.connection).await?;
        Ok(())
    }

    pub(super) async fn audit(&mut self, most: usize) -> Done<Vec<Audited>> {
        let sql =
            self.sql("SELECT at, actor, act, filter, items, reason FROM @.audit ORDER BY id DESC LIMIT $1");
        let rows = sqlx::query(&sql).bind(limit(most)).fetch_all(&mut *self.connection).await?;
        let read = |row: &PgRow| -> sqlx::Result<Audited> {
            Ok(Audited {
                at: Timestamp(row.try_get::<i64, _>(0)?.cast_unsigned()),
                actor: row.try_get(1)?,
                act: row.try_get(2)?,
                filter: row.try_get(3)?,
                items: row.try_get::<i64, _>(4)?.cast_unsigned(),
                reason: row.try_get(5)?,
            })
        };
        Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
    }

    pub(super) async fn queues(&mut self) -> Done<Vec<String>> {
        let sql = self.sql("SELECT DISTINCT queue FROM @.tally ORDER BY queue");
        Ok(sqlx::query_scalar(&sql).fetch_all(&mut *self.connection).await?)
    }

    pub(super) async fn is_paused(&mut self, queue: &str) -> Done<bool> {
        let sql = self.sql("SELECT paused FROM @.queue WHERE name = $1");
        let paused = sqlx::query_scalar(&sql).bind(queue).fetch_optional(&mut *self.connection).await?;
        Ok(paused.unwrap_or(false))
    }

    pub(super) async fn stats(&mut self, queue: &str) -> Done<Stats> {
        let mut stats = Stats { paused: self.is_paused(queue).await?, ..Stats::default() };
        let sql = self.sql(
            "SELECT class, sum(live)::bigint, sum(bytes)::bigint, sum(dead)::bigint FROM @.tally WHERE queue = $1 \
             GROUP BY class",
        );
        for row in sqlx::query(&sql).bind(queue).fetch_all(&mut *self.connection).await? {
            let count = |at| row.try_get::<i64, _>(at).map(|count| u64::try_from(count).unwrap_or(0));
            let class = usize::try_from(row.try_get::<i16, _>(0)?).unwrap_or(usize::MAX);
            if let Some(found) = stats.classes.get_mut(class) {
                (found.live, found.bytes, found.dead) = (count(1)?, count(2)?, count(3)?);
            }
        }
        let sql = self.sql(
            "SELECT (SELECT count(*) FROM @.item WHERE state = 1 AND queue = $1), \
             (SELECT count(*) FROM @.item WHERE state < 2 AND needs_check AND queue = $1), \
             (SELECT min(created_at) FROM @.item WHERE state < 2 AND queue = $1)",
        );
        let row = sqlx::query(&sql).bind(queue).fetch_one(&mut *self.connection).await?;
        stats.leased = row.try_get::<i64, _>(0)?.cast_unsigned();
        stats.needs_check = row.try_get::<i64, _>(1)?.cast_unsigned();
        stats.oldest_created_at = row.try_get::<Option<i64>, _>(2)?.map(|at| Timestamp(at.cast_unsigned()));
        Ok(stats)
    }
}
