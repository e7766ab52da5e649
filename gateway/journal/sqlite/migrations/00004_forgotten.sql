-- +goose Up
-- The ids of forgotten conversations' rows: nothing can be read from k.
CREATE TABLE forgotten (
    k        INTEGER PRIMARY KEY,  -- keyed hash of lane, id and text hash
    state    INTEGER NOT NULL,     -- how the row ended: journal.State
    ended_at INTEGER NOT NULL
);

-- +goose Down
DROP TABLE forgotten;
