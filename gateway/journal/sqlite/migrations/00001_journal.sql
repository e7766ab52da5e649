-- Times are microseconds since 1970 in UTC, NULL = none.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE conversation (
    id             INTEGER PRIMARY KEY,
    channel        TEXT NOT NULL,
    tracking_id    TEXT NOT NULL,
    remote_address TEXT,
    party_name     TEXT,
    user_token     TEXT,
    culture        TEXT,
    UNIQUE (channel, tracking_id)
);

-- What moves with every message, apart from the long texts that do not: one
-- page holds many.
CREATE TABLE progress (
    conversation INTEGER PRIMARY KEY,
    counter      INTEGER NOT NULL,
    released     INTEGER NOT NULL,
    last_seen    INTEGER,
    started      INTEGER,
    closed_text  INTEGER,
    chat_id      TEXT
);

CREATE TABLE message (
    seq          INTEGER PRIMARY KEY,
    lane         INTEGER NOT NULL,            -- conversation.id * 2, + 1 when outbound
    state        INTEGER NOT NULL,            -- journal.State; 5 = dead and discarded
    epoch        INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    accepted_at  INTEGER NOT NULL,
    ended_at     INTEGER,
    next_at      INTEGER,
    id           TEXT NOT NULL,
    text_hash    INTEGER NOT NULL,
    counter      INTEGER NOT NULL,
    chat_id      TEXT,
    base_chat    TEXT,
    base_counter INTEGER NOT NULL,
    sent_at      INTEGER,
    deadline     INTEGER,
    reason       TEXT,
    hint         TEXT,
    parts        TEXT,                        -- JSON
    content      BLOB
);
-- By segments of the sequence first: a backlog of many lanes then grows at one
-- end of the index and not on all its pages.
CREATE INDEX message_pending ON message (seq >> 12, lane) WHERE state < 3;
CREATE INDEX message_dead ON message (state) WHERE state = 4;

-- Which ids are known: the partition (seq >> 20) in the high bits of k, 48 bits
-- of the key's hash below. Rows that share a hash follow each other.
CREATE TABLE seen (
    k   INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
);

-- Bloom filters of the partitions that are complete.
CREATE TABLE seen_filter (
    part INTEGER PRIMARY KEY,
    bits BLOB NOT NULL
);

-- Rows the sweep's marks have passed and that were not due then.
CREATE TABLE straggler (
    due INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (due, seq)
) WITHOUT ROWID;

CREATE TABLE ledger (
    channel   TEXT NOT NULL,
    direction INTEGER NOT NULL,
    accepted  INTEGER NOT NULL,
    requeued  INTEGER NOT NULL,
    done      INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    pending   INTEGER NOT NULL,
    PRIMARY KEY (channel, direction)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE ledger;
DROP TABLE straggler;
DROP TABLE seen_filter;
DROP TABLE seen;
DROP TABLE message;
DROP TABLE progress;
DROP TABLE conversation;
DROP TABLE meta;
