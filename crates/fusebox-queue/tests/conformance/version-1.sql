-- A file as version 1 wrote it, its process killed with one item in flight.
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
PRAGMA application_id = 1718973285;
PRAGMA user_version = 1;
INSERT INTO item (queue, key, fingerprint, payload, bytes, format, state, class, needs_check, attempts, max_attempts, crashes,
    max_crashes, created_at, due_at, expires_at, first_attempt_at, lease, lease_until, last_lease) VALUES
    ('q', 'waiting', x'01', x'6f6e65', 3, 1, 0, 1, 0, 0, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000, NULL, NULL, NULL, 0),
    ('q', 'in flight', x'02', x'74776f', 3, 1, 1, 2, 0, 1, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000, 1700000000000,
        4294967297, 1700000030000, 4294967297);
INSERT INTO tally VALUES ('q', 1, 1, 3, 0), ('q', 2, 1, 3, 0);
