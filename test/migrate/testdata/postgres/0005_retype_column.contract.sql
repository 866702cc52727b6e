DROP TRIGGER orders_quantity_units ON orders;
DROP FUNCTION orders_quantity_units();
ALTER TABLE orders DROP COLUMN quantity;
