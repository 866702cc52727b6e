CREATE PROCEDURE reward_2(customer bigint, more int, bonus int)
  UPDATE customers SET points = points + more + bonus WHERE id = customer;
-- +goose Down
DROP PROCEDURE reward_2;
