-- +goose StatementBegin
CREATE PROCEDURE reward(customer bigint, more integer, bonus integer) LANGUAGE sql
AS 'UPDATE customers SET points = points + more + bonus WHERE id = customer';
-- +goose StatementEnd
-- +goose Down
DROP PROCEDURE reward(bigint, integer, integer);
