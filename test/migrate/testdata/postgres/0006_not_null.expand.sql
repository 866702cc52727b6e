-- The old release goes on writing NULL: it becomes what the new one writes instead.
-- +goose StatementBegin
CREATE FUNCTION customers_phone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.phone := coalesce(NEW.phone, '');
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER customers_phone BEFORE INSERT OR UPDATE ON customers
  FOR EACH ROW EXECUTE FUNCTION customers_phone();
-- segue: unsafe set-not-null the trigger leaves no NULL in what the old release writes
ALTER TABLE customers ADD CONSTRAINT customers_phone_there CHECK (phone IS NOT NULL) NOT VALID;
-- +goose Down
ALTER TABLE customers DROP CONSTRAINT customers_phone_there;
DROP TRIGGER customers_phone ON customers;
DROP FUNCTION customers_phone();
