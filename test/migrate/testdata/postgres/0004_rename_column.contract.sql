-- It takes the check's word for it, and reads no row.
ALTER TABLE orders ALTER COLUMN cents SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_cents_there;
DROP TRIGGER orders_amount_cents ON orders;
DROP FUNCTION orders_amount_cents();
ALTER TABLE orders DROP COLUMN amount;
