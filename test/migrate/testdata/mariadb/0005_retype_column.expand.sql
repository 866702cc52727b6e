-- A column of the new type needs a new name, since both are there for a while.
ALTER TABLE orders ADD COLUMN units int, ALGORITHM=INSTANT;
-- +goose StatementBegin
CREATE TRIGGER orders_units_insert BEFORE INSERT ON orders FOR EACH ROW
BEGIN
  IF NEW.units IS NOT NULL THEN
    SET NEW.quantity = CAST(NEW.units AS char);
  ELSE
    SET NEW.units = CAST(NEW.quantity AS int);
  END IF;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER orders_units_update BEFORE UPDATE ON orders FOR EACH ROW
BEGIN
  IF NOT (NEW.units <=> OLD.units) THEN
    SET NEW.quantity = CAST(NEW.units AS char);
  ELSE
    SET NEW.units = CAST(NEW.quantity AS int);
  END IF;
END;
-- +goose StatementEnd
-- +goose Down
DROP TRIGGER orders_units_insert;
DROP TRIGGER orders_units_update;
-- segue: loses nothing
ALTER TABLE orders DROP COLUMN units, ALGORITHM=INSTANT;
