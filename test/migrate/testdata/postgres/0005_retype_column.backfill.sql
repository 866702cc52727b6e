-- segue: table=orders key=id
UPDATE orders SET units = quantity::integer WHERE {{range}} AND units IS NULL;
