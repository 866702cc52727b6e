CREATE TABLE customers (
  id bigint PRIMARY KEY,
  name varchar(100) NOT NULL,
  email varchar(100) NOT NULL,
  phone varchar(40),
  street varchar(100) NOT NULL,
  city varchar(100) NOT NULL,
  points int NOT NULL DEFAULT 0
);
CREATE TABLE orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  amount int NOT NULL,
  quantity varchar(20) NOT NULL,
  comment varchar(200) NOT NULL,
  edits int NOT NULL DEFAULT 0
);
CREATE TABLE notes (order_id bigint PRIMARY KEY, note varchar(200) NOT NULL);
CREATE FUNCTION price(cents int) RETURNS bigint DETERMINISTIC RETURN cents + 10;
CREATE PROCEDURE reward(customer bigint, more int)
  UPDATE customers SET points = points + more WHERE id = customer;
