//! What the file holds, version by version.

use rusqlite::Connection;

/// The schema that this version writes: all of [`STEPS`].
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What each version has brought. A file of an earlier one is given what it lacks when it is opened; no step is ever changed.
const STEPS: [&str; 4] = ["
    CREATE TABLE item (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL,
        payload BLOB NOT NULL, bytes INTEGER NOT NULL, format INTEGER NOT NULL,
        state INTEGER NOT NULL, death TEXT, class INTEGER NOT NULL, needs_check INTEGER NOT NULL,
        attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
        crashes INTEGER NOT NULL, max_crashes INTEGER NOT NULL,
        created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        first_attempt_at INTEGER, lease INTEGER, lease_until INTEGER, last_lease INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, keep_until INTEGER,
        result BLOB, reason TEXT,
        UNIQUE (queue, key)
    );
    CREATE INDEX item_due ON item (queue, class, due_at, id) WHERE state = 0;
    CREATE INDEX item_expiry ON item (expires_at) WHERE state = 0;
    CREATE INDEX item_leased ON item (lease_until) WHERE state = 1;
    CREATE INDEX item_oldest ON item (queue, created_at) WHERE state < 2;
    CREATE INDEX item_check ON item (queue) WHERE state < 2 AND needs_check;
    CREATE INDEX item_over ON item (keep_until) WHERE keep_until IS NOT NULL;
    CREATE INDEX item_dead ON item (queue, id) WHERE state = 3;
    CREATE TABLE tally (
        queue TEXT NOT NULL, class INTEGER NOT NULL,
        live INTEGER NOT NULL, bytes INTEGER NOT NULL, dead INTEGER NOT NULL,
        PRIMARY KEY (queue, class)
    ) WITHOUT ROWID;
    CREATE TABLE paused (queue TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seen_at INTEGER NOT NULL);
    INSERT INTO owner VALUES (1, 0, 0);
", "
    ALTER TABLE item ADD COLUMN contact TEXT;
    ALTER TABLE item ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE item ADD COLUMN delayed_at INTEGER;
    CREATE INDEX item_delayed ON item (delayed_at) WHERE state = 0 AND delayed_at IS NOT NULL;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, filter TEXT NOT NULL,
        items INTEGER NOT NULL, reason TEXT NOT NULL
    );
", "
    -- Of the same items, by a column that a lease does not change.
    DROP INDEX item_oldest;
    CREATE INDEX item_oldest ON item (queue, created_at) WHERE ended_at IS NULL;
", "
    -- Numbers are counted by the owner, who writes the last one down before an item is erased.
    ALTER TABLE owner ADD COLUMN last_id INTEGER NOT NULL DEFAULT 0;
    UPDATE owner SET last_id = COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'item'), 0);
    -- How many of them have not ended and must be checked.
    ALTER TABLE tally ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;
    UPDATE tally SET checks = (SELECT COUNT(*) FROM item WHERE state < 2 AND needs_check
        AND item.queue = tally.queue AND item.class = tally.class);
    -- What never changes comes first. A lease has the number `last_lease`.
    CREATE TABLE kept (
        id INTEGER PRIMARY KEY,
        queue TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL,
        payload BLOB NOT NULL, bytes INTEGER NOT NULL, format INTEGER NOT NULL, class INTEGER NOT NULL,
        max_attempts INTEGER NOT NULL, max_crashes INTEGER NOT NULL, created_at INTEGER NOT NULL,
        contact TEXT, events INTEGER NOT NULL DEFAULT 0,
        state INTEGER NOT NULL, needs_check INTEGER NOT NULL, attempts INTEGER NOT NULL, crashes INTEGER NOT NULL,
        due_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_lease INTEGER NOT NULL DEFAULT 0,
        first_attempt_at INTEGER, lease_until INTEGER, ended_at INTEGER, keep_until INTEGER, delayed_at INTEGER,
        death TEXT, result BLOB, reason TEXT,
        -- Room for what a lease and an end write, so that no row outgrows its page.
        spare BLOB
    );
    INSERT INTO kept SELECT id, queue, key, fingerprint, payload, bytes, format, class, max_attempts, max_crashes, created_at,
        contact, events, state, needs_check, attempts, crashes, due_at, expires_at, last_lease, first_attempt_at, lease_until,
        ended_at, keep_until, delayed_at, death, result, reason, NULL FROM item ORDER BY id;
    DROP TABLE item;
    ALTER TABLE kept RENAME TO item;
    -- Notices that nobody could be told of are not kept for ever.
    UPDATE item SET keep_until = expires_at + 86400000 WHERE state = 3 AND queue = ':notices';
    -- Keys differ where queues do not; and every index ends with the item's number.
    CREATE UNIQUE INDEX item_key ON item (key, queue);
    CREATE INDEX item_due ON item (queue, class, due_at) WHERE state = 0;
    -- Who was leased together, as numbers in JSON, and until when at the least.
    CREATE TABLE flight (lease INTEGER PRIMARY KEY, until INTEGER NOT NULL, ids TEXT NOT NULL);
    INSERT INTO flight SELECT last_lease, MIN(lease_until), json_group_array(id) FROM item WHERE state = 1 GROUP BY last_lease;
    -- These name no column that a lease changes.
    CREATE INDEX item_expiry ON item (expires_at) WHERE ended_at IS NULL;
    CREATE INDEX item_delayed ON item (delayed_at) WHERE ended_at IS NULL AND delayed_at IS NOT NULL;
    CREATE INDEX item_over ON item (keep_until) WHERE keep_until IS NOT NULL;
    CREATE INDEX item_dead ON item (queue) WHERE death IS NOT NULL;
"];

/// Gives the file what later versions have brought, each step whole or not at all.
pub(super) fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (step, sql) in STEPS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        let step = format!("BEGIN IMMEDIATE; {sql} PRAGMA user_version = {}; COMMIT", step + 1);
        if let Err(error) = connection.execute_batch(&step) {
            // A full disk has ended it already.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(error);
        }
    }
    Ok(())
}
