DROP TRIGGER customers_name ON customers;
DROP FUNCTION customers_name();
ALTER TABLE customers DROP COLUMN name;
