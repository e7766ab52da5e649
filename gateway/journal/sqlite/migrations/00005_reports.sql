-- +goose Up
-- The end of a conversation's reply window, and who said so.
ALTER TABLE progress ADD COLUMN window_end INTEGER;
ALTER TABLE progress ADD COLUMN window_by TEXT;

-- +goose Down
ALTER TABLE progress DROP COLUMN window_by;
ALTER TABLE progress DROP COLUMN window_end;
