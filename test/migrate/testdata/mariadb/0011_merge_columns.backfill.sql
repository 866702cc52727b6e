-- segue: table=customers key=id
UPDATE customers SET address = concat(street, ', ', city) WHERE {{range}} AND address IS NULL;
