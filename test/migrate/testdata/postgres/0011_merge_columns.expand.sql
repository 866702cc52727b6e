ALTER TABLE customers ADD COLUMN address text;
-- +goose StatementBegin
CREATE FUNCTION customers_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NEW.address IS NOT NULL
    OR TG_OP = 'UPDATE' AND NEW.address IS DISTINCT FROM OLD.address THEN
    NEW.street := split_part(NEW.address, ', ', 1);
    NEW.city := split_part(NEW.address, ', ', 2);
  ELSE
    NEW.address := NEW.street || ', ' || NEW.city;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER customers_address BEFORE INSERT OR UPDATE ON customers
  FOR EACH ROW EXECUTE FUNCTION customers_address();
-- +goose Down
DROP TRIGGER customers_address ON customers;
DROP FUNCTION customers_address();
-- segue: loses nothing
ALTER TABLE customers DROP COLUMN address;
