-- A column that the release before does not know: it has to have a default.
ALTER TABLE guests ADD COLUMN town TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE guests DROP COLUMN town;
