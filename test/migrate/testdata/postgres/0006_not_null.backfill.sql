-- segue: table=customers key=id
UPDATE customers SET phone = '' WHERE {{range}} AND phone IS NULL;
ALTER TABLE customers VALIDATE CONSTRAINT customers_phone_there;
