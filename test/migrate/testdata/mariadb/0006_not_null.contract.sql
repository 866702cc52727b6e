ALTER TABLE customers MODIFY COLUMN phone varchar(40) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;
DROP TRIGGER customers_phone_insert;
DROP TRIGGER customers_phone_update;
