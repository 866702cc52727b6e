-- Another signature is another function: both are there.
-- +goose StatementBegin
CREATE FUNCTION price(cents integer, quantity integer) RETURNS bigint LANGUAGE sql IMMUTABLE
AS 'SELECT cents::bigint * quantity';
-- +goose StatementEnd
-- +goose Down
DROP FUNCTION price(integer, integer);
