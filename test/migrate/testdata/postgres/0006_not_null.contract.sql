ALTER TABLE customers ALTER COLUMN phone SET NOT NULL;
ALTER TABLE customers DROP CONSTRAINT customers_phone_there;
DROP TRIGGER customers_phone ON customers;
DROP FUNCTION customers_phone();
