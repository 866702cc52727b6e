-- NOT VALID: of the rows that come from now on. It waits for writers of both tables,
-- and keeps them waiting, for a moment only.
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;
-- +goose Down
ALTER TABLE orders DROP CONSTRAINT orders_customer;
