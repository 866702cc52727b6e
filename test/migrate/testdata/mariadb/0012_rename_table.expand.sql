-- Under its new name the table is a view, which reads and writes it.
CREATE VIEW purchases AS SELECT * FROM orders;
-- +goose Down
DROP VIEW purchases;
