-- A check of the column, of the rows that come from now on: it is instant. One of
-- the table (ADD CONSTRAINT) has the table copied.
ALTER TABLE orders MODIFY COLUMN cents int NOT NULL CHECK (cents >= 0), ALGORITHM=INSTANT;
-- +goose Down
ALTER TABLE orders MODIFY COLUMN cents int NOT NULL, ALGORITHM=INSTANT;
