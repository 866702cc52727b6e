ALTER TABLE customers ADD COLUMN first_name text;
ALTER TABLE customers ADD COLUMN last_name text;
-- +goose StatementBegin
CREATE FUNCTION customers_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NEW.first_name IS NOT NULL
    OR TG_OP = 'UPDATE' AND (NEW.first_name, NEW.last_name) IS DISTINCT FROM (OLD.first_name, OLD.last_name) THEN
    NEW.name := NEW.first_name || ' ' || NEW.last_name;
  ELSE
    NEW.first_name := split_part(NEW.name, ' ', 1);
    NEW.last_name := split_part(NEW.name, ' ', 2);
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER customers_name BEFORE INSERT OR UPDATE ON customers
  FOR EACH ROW EXECUTE FUNCTION customers_name();
-- +goose Down
DROP TRIGGER customers_name ON customers;
DROP FUNCTION customers_name();
-- segue: loses nothing
ALTER TABLE customers DROP COLUMN first_name;
-- segue: loses nothing
ALTER TABLE customers DROP COLUMN last_name;
