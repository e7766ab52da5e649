-- +goose Up
-- What networks report of by the conversation alone. Only rows of channels whose
-- network reports are there, so that the others pay nothing for it.
ALTER TABLE message ADD COLUMN listed INTEGER;
CREATE INDEX message_listed ON message (lane) WHERE listed = 1;

-- +goose Down
DROP INDEX message_listed;
ALTER TABLE message DROP COLUMN listed;
