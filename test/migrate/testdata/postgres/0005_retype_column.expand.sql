-- A column of the new type needs a new name, since both are there for a while.
ALTER TABLE orders ADD COLUMN units integer;
-- +goose StatementBegin
CREATE FUNCTION orders_quantity_units() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NEW.units IS NOT NULL
    OR TG_OP = 'UPDATE' AND NEW.units IS DISTINCT FROM OLD.units THEN
    NEW.quantity := NEW.units::text;
  ELSE
    NEW.units := NEW.quantity::integer;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER orders_quantity_units BEFORE INSERT OR UPDATE ON orders
  FOR EACH ROW EXECUTE FUNCTION orders_quantity_units();
-- +goose Down
DROP TRIGGER orders_quantity_units ON orders;
DROP FUNCTION orders_quantity_units();
-- segue: loses nothing
ALTER TABLE orders DROP COLUMN units;
