ALTER TABLE orders VALIDATE CONSTRAINT orders_cents_positive;
