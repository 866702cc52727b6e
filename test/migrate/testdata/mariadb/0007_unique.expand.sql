ALTER TABLE customers ADD UNIQUE INDEX customers_email_unique (email), ALGORITHM=INPLACE, LOCK=NONE;
-- +goose Down
ALTER TABLE customers DROP INDEX customers_email_unique, ALGORITHM=INPLACE, LOCK=NONE;
