-- +goose Up
ALTER TABLE message ADD COLUMN strikes INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE message DROP COLUMN strikes;
