-- +goose NO TRANSACTION
CREATE UNIQUE INDEX CONCURRENTLY customers_email_unique ON customers (email);
-- +goose Down
DROP INDEX CONCURRENTLY customers_email_unique;
