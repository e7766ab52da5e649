-- +goose Up
CREATE TABLE paused (
    channel TEXT PRIMARY KEY,
    since   INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE paused;
