CREATE TABLE customers (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  phone text,
  street text NOT NULL,
  city text NOT NULL,
  points integer NOT NULL DEFAULT 0
);
CREATE TABLE orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  amount integer NOT NULL,
  quantity text NOT NULL,
  comment text NOT NULL,
  edits integer NOT NULL DEFAULT 0
);
CREATE TABLE notes (order_id bigint PRIMARY KEY, note text NOT NULL);
-- +goose StatementBegin
CREATE FUNCTION price(cents integer) RETURNS bigint LANGUAGE sql IMMUTABLE
AS 'SELECT cents + 10::bigint';
-- +goose StatementEnd
-- +goose StatementBegin
CREATE PROCEDURE reward(customer bigint, more integer) LANGUAGE sql
AS 'UPDATE customers SET points = points + more WHERE id = customer';
-- +goose StatementEnd
