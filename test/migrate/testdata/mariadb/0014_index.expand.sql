ALTER TABLE purchases ADD INDEX purchases_channel (channel), ALGORITHM=INPLACE, LOCK=NONE;
-- +goose Down
ALTER TABLE purchases DROP INDEX purchases_channel, ALGORITHM=INPLACE, LOCK=NONE;
