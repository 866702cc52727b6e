ALTER TABLE customers ADD COLUMN address varchar(202), ALGORITHM=INSTANT;
-- +goose StatementBegin
CREATE TRIGGER customers_address_insert BEFORE INSERT ON customers FOR EACH ROW
BEGIN
  IF NEW.address IS NOT NULL THEN
    SET NEW.street = substring_index(NEW.address, ', ', 1), NEW.city = substring_index(NEW.address, ', ', -1);
  ELSE
    SET NEW.address = concat(NEW.street, ', ', NEW.city);
  END IF;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER customers_address_update BEFORE UPDATE ON customers FOR EACH ROW
BEGIN
  IF NOT (NEW.address <=> OLD.address) THEN
    SET NEW.street = substring_index(NEW.address, ', ', 1), NEW.city = substring_index(NEW.address, ', ', -1);
  ELSE
    SET NEW.address = concat(NEW.street, ', ', NEW.city);
  END IF;
END;
-- +goose StatementEnd
-- +goose Down
DROP TRIGGER customers_address_insert;
DROP TRIGGER customers_address_update;
-- segue: loses nothing
ALTER TABLE customers DROP COLUMN address, ALGORITHM=INSTANT;
