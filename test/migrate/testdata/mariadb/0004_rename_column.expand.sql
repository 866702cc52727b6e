-- A column of the new name beside the old one. Triggers have them equal, whichever
-- of the two a release writes.
ALTER TABLE orders ADD COLUMN cents int, ALGORITHM=INSTANT;
-- +goose StatementBegin
CREATE TRIGGER orders_cents_insert BEFORE INSERT ON orders FOR EACH ROW
BEGIN
  SET NEW.cents = coalesce(NEW.cents, NEW.amount);
  SET NEW.amount = NEW.cents;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER orders_cents_update BEFORE UPDATE ON orders FOR EACH ROW
BEGIN
  IF NOT (NEW.cents <=> OLD.cents) THEN
    SET NEW.amount = NEW.cents;
  ELSE
    SET NEW.cents = NEW.amount;
  END IF;
END;
-- +goose StatementEnd
-- +goose Down
DROP TRIGGER orders_cents_insert;
DROP TRIGGER orders_cents_update;
-- segue: loses nothing
ALTER TABLE orders DROP COLUMN cents, ALGORITHM=INSTANT;
