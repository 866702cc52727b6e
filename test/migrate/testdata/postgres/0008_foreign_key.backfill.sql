-- Reads all rows, while others write.
ALTER TABLE orders VALIDATE CONSTRAINT orders_customer;
