-- Of the rows that come from now on. With foreign_key_checks the table would be
-- copied, and writers would wait for that.
SET STATEMENT foreign_key_checks = 0 FOR
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id), ALGORITHM=INPLACE, LOCK=NONE;
-- +goose Down
ALTER TABLE orders DROP FOREIGN KEY orders_customer, ALGORITHM=INPLACE, LOCK=NONE;
