-- A file as version 3 wrote it, its process killed with two items in flight that were leased one after the other, and its last item,
-- number 9, erased.
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL,
    payload BLOB NOT NULL, bytes INTEGER NOT NULL, format INTEGER NOT NULL,
    state INTEGER NOT NULL, death TEXT, class INTEGER NOT NULL, needs_check INTEGER NOT NULL,
    attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL, max_crashes INTEGER NOT NULL,
    created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    first_attempt_at INTEGER, lease INTEGER, lease_until INTEGER, last_lease INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, keep_until INTEGER,
    result BLOB, reason TEXT, contact TEXT, events INTEGER NOT NULL DEFAULT 0, delayed_at INTEGER,
    UNIQUE (queue, key)
);
CREATE INDEX item_due ON item (queue, class, due_at, id) WHERE state = 0;
CREATE INDEX item_expiry ON item (expires_at) WHERE state = 0;
CREATE INDEX item_leased ON item (lease_until) WHERE state = 1;
CREATE INDEX item_check ON item (queue) WHERE state < 2 AND needs_check;
CREATE INDEX item_over ON item (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX item_dead ON item (queue, id) WHERE state = 3;
CREATE INDEX item_delayed ON item (delayed_at) WHERE state = 0 AND delayed_at IS NOT NULL;
CREATE INDEX item_oldest ON item (queue, created_at) WHERE ended_at IS NULL;
CREATE TABLE tally (
    queue TEXT NOT NULL, class INTEGER NOT NULL,
    live INTEGER NOT NULL, bytes INTEGER NOT NULL, dead INTEGER NOT NULL,
    PRIMARY KEY (queue, class)
) WITHOUT ROWID;
CREATE TABLE paused (queue TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seen_at INTEGER NOT NULL);
INSERT INTO owner VALUES (1, 1, 0);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, filter TEXT NOT NULL,
    items INTEGER NOT NULL, reason TEXT NOT NULL
);
INSERT INTO audit VALUES (1, 1700000000000, 'ann', 'cancel', 'all', 1, 'typed twice');
PRAGMA application_id = 1718973285;
PRAGMA user_version = 3;
INSERT INTO item (id, queue, key, fingerprint, payload, bytes, format, state, death, class, needs_check, attempts, max_attempts, crashes,
    max_crashes, created_at, due_at, expires_at, first_attempt_at, lease, lease_until, last_lease, ended_at, keep_until, result, reason,
    contact, events, delayed_at) VALUES
    (1, 'q', 'asked', x'01', x'6f6e65', 3, 7, 0, NULL, 1, 1, 1, 25, 0, 3, 1700000000000, 1700000000001, 1700086400000,
        1700000000000, NULL, NULL, 4294967296, NULL, NULL, NULL, 'failed', 'ann', 31, 1700000600000),
    (2, 'q', 'first', x'02', x'74776f', 3, 1, 1, NULL, 2, 0, 1, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000,
        1700000000000, 4294967297, 1700000030000, 4294967297, NULL, NULL, NULL, NULL, NULL, 0, NULL),
    (3, 'q', 'second', x'03', x'7468726565', 5, 1, 1, NULL, 2, 0, 1, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000,
        1700000000000, 4294967298, 1700000030000, 4294967298, NULL, NULL, NULL, NULL, NULL, 0, NULL),
    (4, 'q', 'dead', x'04', x'', 0, 1, 3, 'refused', 1, 0, 1, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000,
        1700000000000, NULL, NULL, 4294967299, 1700000000000, NULL, NULL, 'no', NULL, 0, NULL),
    (5, 'q', 'done', x'05', x'', 0, 1, 2, NULL, 1, 0, 1, 25, 0, 3, 1700000000000, 1700000000000, 1700086400000,
        1700000000000, NULL, NULL, 4294967300, 1700000000000, 1700172800000, x'6f6b', NULL, NULL, 0, NULL);
UPDATE sqlite_sequence SET seq = 9 WHERE name = 'item';
INSERT INTO tally VALUES ('q', 1, 1, 3, 1), ('q', 2, 2, 8, 0);
