-- segue: table=customers key=id
UPDATE customers SET address = street || ', ' || city WHERE {{range}} AND address IS NULL;
