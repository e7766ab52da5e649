-- +goose Up
-- What messages are called outside. Both indexes are hashes: they stay small, and the
-- texts are compared on a hit.
CREATE TABLE name (
    seq         INTEGER PRIMARY KEY, -- in the order they were claimed
    k           INTEGER NOT NULL,    -- hash of key
    c           INTEGER NOT NULL,    -- hash of channel and tracking_id
    channel     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    owner       TEXT    NOT NULL,
    tracking_id TEXT    NOT NULL,
    value       BLOB,
    at          INTEGER NOT NULL     -- microseconds
) STRICT;
CREATE INDEX name_by_key ON name (k);
CREATE INDEX name_by_conversation ON name (c);

-- +goose Down
DROP TABLE name;
