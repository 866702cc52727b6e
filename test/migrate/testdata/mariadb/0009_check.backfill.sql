-- +goose StatementBegin
BEGIN NOT ATOMIC
  IF EXISTS (SELECT 1 FROM orders WHERE cents < 0) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'there are orders of less than 0 cents';
  END IF;
END;
-- +goose StatementEnd
