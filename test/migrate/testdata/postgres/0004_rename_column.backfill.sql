-- segue: table=orders key=id
UPDATE orders SET cents = amount WHERE {{range}} AND cents IS NULL;
ALTER TABLE orders VALIDATE CONSTRAINT orders_cents_there;
