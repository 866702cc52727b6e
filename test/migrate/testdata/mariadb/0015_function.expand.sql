-- There is one function of a name: the new one has another.
CREATE FUNCTION price_2(cents int, quantity int) RETURNS bigint DETERMINISTIC RETURN cents * quantity;
-- +goose Down
DROP FUNCTION price_2;
