ALTER TABLE customers ADD COLUMN first_name varchar(100), ADD COLUMN last_name varchar(100), ALGORITHM=INSTANT;
-- +goose StatementBegin
CREATE TRIGGER customers_name_insert BEFORE INSERT ON customers FOR EACH ROW
BEGIN
  IF NEW.first_name IS NOT NULL THEN
    SET NEW.name = concat(NEW.first_name, ' ', NEW.last_name);
  ELSE
    SET NEW.first_name = substring_index(NEW.name, ' ', 1), NEW.last_name = substring_index(NEW.name, ' ', -1);
  END IF;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER customers_name_update BEFORE UPDATE ON customers FOR EACH ROW
BEGIN
  IF NOT (NEW.first_name <=> OLD.first_name AND NEW.last_name <=> OLD.last_name) THEN
    SET NEW.name = concat(NEW.first_name, ' ', NEW.last_name);
  ELSE
    SET NEW.first_name = substring_index(NEW.name, ' ', 1), NEW.last_name = substring_index(NEW.name, ' ', -1);
  END IF;
END;
-- +goose StatementEnd
-- +goose Down
DROP TRIGGER customers_name_insert;
DROP TRIGGER customers_name_update;
-- segue: loses nothing
ALTER TABLE customers DROP COLUMN first_name, DROP COLUMN last_name, ALGORITHM=INSTANT;
