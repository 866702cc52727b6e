-- A column of the new name beside the old one. A trigger has them equal, whichever
-- of the two a release writes.
ALTER TABLE orders ADD COLUMN cents integer;
-- +goose StatementBegin
CREATE FUNCTION orders_amount_cents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.cents := coalesce(NEW.cents, NEW.amount);
    NEW.amount := NEW.cents;
  ELSIF NEW.cents IS DISTINCT FROM OLD.cents THEN
    NEW.amount := NEW.cents;
  ELSE
    NEW.cents := NEW.amount;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER orders_amount_cents BEFORE INSERT OR UPDATE ON orders
  FOR EACH ROW EXECUTE FUNCTION orders_amount_cents();
-- Of the rows that come from now on; those that are there are checked by the backfill.
-- segue: unsafe add-not-null-without-default the trigger fills it in what the old release writes
ALTER TABLE orders ADD CONSTRAINT orders_cents_there CHECK (cents IS NOT NULL) NOT VALID;
-- +goose Down
DROP TRIGGER orders_amount_cents ON orders;
DROP FUNCTION orders_amount_cents();
-- segue: loses nothing
ALTER TABLE orders DROP COLUMN cents;
