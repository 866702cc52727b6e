DROP PROCEDURE reward(bigint, integer);
