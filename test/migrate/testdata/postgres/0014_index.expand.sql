-- +goose NO TRANSACTION
CREATE INDEX CONCURRENTLY purchases_channel ON purchases (channel);
-- +goose Down
DROP INDEX CONCURRENTLY purchases_channel;
