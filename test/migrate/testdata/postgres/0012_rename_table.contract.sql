-- In one transaction: there is always something of that name.
DROP VIEW purchases;
ALTER TABLE orders RENAME TO purchases;
