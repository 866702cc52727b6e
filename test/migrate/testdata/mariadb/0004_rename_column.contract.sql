-- Each statement is seen by itself. The default comes first, so that rows can be
-- written without the old column as soon as no trigger fills it.
ALTER TABLE orders ALTER COLUMN amount SET DEFAULT 0, ALGORITHM=INSTANT;
DROP TRIGGER orders_cents_insert;
DROP TRIGGER orders_cents_update;
ALTER TABLE orders DROP COLUMN amount, ALGORITHM=INSTANT;
ALTER TABLE orders MODIFY COLUMN cents int NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;
