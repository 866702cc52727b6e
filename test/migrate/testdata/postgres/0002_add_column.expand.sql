-- A default that is a constant is written to no row: PostgreSQL keeps it aside.
ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';
-- +goose Down
ALTER TABLE orders DROP COLUMN channel;
