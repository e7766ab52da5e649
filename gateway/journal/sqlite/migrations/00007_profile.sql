-- +goose Up
-- What the network told of the customer when it was asked.
ALTER TABLE conversation ADD COLUMN profile_name TEXT;
ALTER TABLE conversation ADD COLUMN profile_culture TEXT;
ALTER TABLE conversation ADD COLUMN profile_at INTEGER;

-- +goose Down
ALTER TABLE conversation DROP COLUMN profile_at;
ALTER TABLE conversation DROP COLUMN profile_culture;
ALTER TABLE conversation DROP COLUMN profile_name;
