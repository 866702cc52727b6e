-- And of those that are there: MariaDB does not check them later by itself.
-- +goose StatementBegin
BEGIN NOT ATOMIC
  IF EXISTS (SELECT 1 FROM orders AS o LEFT JOIN customers AS c ON c.id = o.customer_id WHERE c.id IS NULL) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'there are orders without a customer';
  END IF;
END;
-- +goose StatementEnd
