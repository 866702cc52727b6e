-- The old release goes on writing NULL: it becomes what the new one writes instead.
CREATE TRIGGER customers_phone_insert BEFORE INSERT ON customers FOR EACH ROW SET NEW.phone = coalesce(NEW.phone, '');
CREATE TRIGGER customers_phone_update BEFORE UPDATE ON customers FOR EACH ROW SET NEW.phone = coalesce(NEW.phone, '');
-- +goose Down
DROP TRIGGER customers_phone_insert;
DROP TRIGGER customers_phone_update;
