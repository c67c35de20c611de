//! What the server does that the queue feels.

use super::desk::{Desk, Done};
use sqlx::{PgConnection, Row};
use std::fmt;
use std::time::Duration;

/// An older snapshot keeps rows of the queue alive that nobody needs, and every lease reads past them.
const OLD: Duration = Duration::from_secs(5 * 60);

/// How the server does, as far as the queue feels it. In words, for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// For how long the oldest transaction has kept dead rows from being cleared away; of those that this user may see.
    pub oldest_snapshot: Option<Duration>,
    /// Whose it is: an application's name and its server process.
    pub held_by: Option<String>,
}

impl Health {
    /// Whether somebody must end that transaction.
    pub fn is_held_back(&self) -> bool {
        self.oldest_snapshot.is_some_and(|age| age > OLD)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.oldest_snapshot, &self.held_by) {
            (Some(age), Some(by)) if age > OLD => write!(
                f,
                "a transaction of {by} is open for {} s: rows that are done with cannot be cleared away, and the queue \
                 becomes slow; end it",
                age.as_secs()
            ),
            _ => f.write_str("no old transaction keeps the queue's rows"),
        }
    }
}

impl Desk<'_> {
    pub(super) async fn health(&mut self) -> Done<Health> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp() - since) * 1000)::bigint, who FROM ( \
             SELECT xact_start AS since, coalesce(nullif(application_name, ''), 'no name') || ', process ' || pid AS who \
             FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_backend_pid() \
             UNION ALL SELECT prepared, 'the prepared transaction ' || gid FROM pg_prepared_xacts \
             ) AS held ORDER BY since LIMIT 1";
        let Some(row) = sqlx::query(sql).fetch_optional(&mut *self.connection).await? else {
            return Ok(Health::default());
        };
        let age = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        Ok(Health { oldest_snapshot: Some(Duration::from_millis(age)), held_by: Some(row.try_get(1)?) })
    }
}

/// Whether what is committed is on the drive.
pub(super) async fn is_durable(connection: &mut PgConnection) -> Done<bool> {
    let sql = "SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off'";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_is_open_for_minutes_is_told_of_with_its_owner() {
        let open = |secs| Health {
            oldest_snapshot: Some(Duration::from_secs(secs)),
            held_by: Some("report, process 7".into()),
        };
        assert!(!Health::default().is_held_back() && !open(300).is_held_back());
        assert!(open(301).is_held_back() && open(301).to_string().contains("report, process 7"));
    }
}
