-- The new release writes rows without it.
ALTER TABLE orders ALTER COLUMN comment SET DEFAULT '', ALGORITHM=INSTANT;
-- +goose Down
ALTER TABLE orders ALTER COLUMN comment DROP DEFAULT, ALGORITHM=INSTANT;
