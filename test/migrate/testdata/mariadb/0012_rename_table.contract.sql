-- RENAME TABLE does both at once: there is always something of that name.
RENAME TABLE purchases TO orders_view, orders TO purchases;
DROP VIEW orders_view;
