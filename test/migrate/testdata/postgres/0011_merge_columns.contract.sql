DROP TRIGGER customers_address ON customers;
DROP FUNCTION customers_address();
ALTER TABLE customers DROP COLUMN street;
ALTER TABLE customers DROP COLUMN city;
