DROP FUNCTION price(integer);
