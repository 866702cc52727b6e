-- segue: table=orders key=id
UPDATE orders SET units = CAST(quantity AS int) WHERE {{range}} AND units IS NULL;
