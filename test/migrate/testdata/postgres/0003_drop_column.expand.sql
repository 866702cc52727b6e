-- The new release writes rows without it.
ALTER TABLE orders ALTER COLUMN comment SET DEFAULT '';
-- +goose Down
ALTER TABLE orders ALTER COLUMN comment DROP DEFAULT;
