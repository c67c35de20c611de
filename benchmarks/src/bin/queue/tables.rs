//! Tables that raw SQLite is given: the least that could be called a queue, and what our promises take in plain SQL.

/// A table, and the statements of a queue in it.
pub(crate) struct Table {
    pub(crate) schema: &'static str,
    /// Of `?1` queue, `?2` key, `?3` payload, `?4` when it is due.
    pub(crate) insert: &'static str,
    /// At most `?3` numbers and payloads of queue `?1` that are due at `?2`.
    pub(crate) due: &'static str,
    /// Leases number `?1` under `?2`.
    pub(crate) lease: &'static str,
    /// Says that number `?1` is done, if it is leased under `?2`.
    pub(crate) settle: &'static str,
    /// Counts `?1` items more, once in each transaction that adds or ends some.
    pub(crate) count: Option<&'static str>,
}

/// A unique key, and nothing else: it does not even find what is due.
pub(crate) const KEYS: Table = Table {
    schema: "CREATE TABLE item (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL, lease INTEGER, UNIQUE (queue, key))",
    ..LEAST
};

/// A unique key and an index of what is due. It never finds a lease that was lost or a key that may be forgotten, and takes any
/// number of items.
pub(crate) const LEAST: Table = Table {
    schema: "CREATE TABLE item (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL, lease INTEGER, UNIQUE (queue, key));
        CREATE INDEX item_due ON item (queue, due_at) WHERE state = 0",
    insert: "INSERT INTO item (queue, key, payload, due_at) VALUES (?1, ?2, ?3, ?4)",
    due: "SELECT id, payload FROM item WHERE state = 0 AND queue = ?1 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3",
    lease: "UPDATE item SET state = 1, lease = ?2 WHERE id = ?1",
    settle: "UPDATE item SET state = 2 WHERE id = ?1 AND lease = ?2",
    count: None,
};

/// What the same promises take at the least: a key that is told from another call's and known for a time, leases that are found when
/// they are lost, attempts that are counted, an exact limit. No expiry, no age, no notices, nothing for operators, one class.
pub(crate) const EQUAL: Table = Table {
    schema: "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, key TEXT NOT NULL,
        fingerprint BLOB NOT NULL, payload BLOB NOT NULL, state INTEGER NOT NULL DEFAULT 0, class INTEGER NOT NULL DEFAULT 1,
        attempts INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        first_attempt_at INTEGER, lease INTEGER, lease_until INTEGER, ended_at INTEGER, keep_until INTEGER, result BLOB,
        UNIQUE (queue, key));
        CREATE INDEX item_due ON item (queue, class, due_at) WHERE state = 0;
        CREATE INDEX item_leased ON item (lease_until) WHERE state = 1;
        CREATE INDEX item_over ON item (keep_until) WHERE keep_until IS NOT NULL;
        CREATE TABLE tally (one INTEGER PRIMARY KEY, live INTEGER NOT NULL, bytes INTEGER NOT NULL);
        INSERT INTO tally VALUES (1, 0, 0)",
    insert: "INSERT INTO item (queue, key, fingerprint, payload, created_at, due_at, expires_at)
        VALUES (?1, ?2, CAST(?2 AS BLOB), ?3, ?4, ?4, ?4 + 86400000) ON CONFLICT DO NOTHING",
    due: "SELECT id, payload FROM item WHERE state = 0 AND queue = ?1 AND class = 1 AND due_at <= ?2
        ORDER BY due_at, id LIMIT ?3",
    lease: "UPDATE item SET state = 1, attempts = attempts + 1, first_attempt_at = COALESCE(first_attempt_at, due_at), lease = ?2,
        lease_until = due_at + 30000 WHERE id = ?1",
    settle: "UPDATE item SET state = 2, lease_until = NULL, ended_at = due_at, keep_until = expires_at + 86400000, result = x''
        WHERE id = ?1 AND lease = ?2 AND state = 1",
    count: Some("UPDATE tally SET live = live + ?1, bytes = bytes + ?1 * 200"),
};
