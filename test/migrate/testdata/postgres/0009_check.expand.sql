ALTER TABLE orders ADD CONSTRAINT orders_cents_positive CHECK (cents >= 0) NOT VALID;
-- +goose Down
ALTER TABLE orders DROP CONSTRAINT orders_cents_positive;
