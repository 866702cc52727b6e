-- segue: table=customers key=id
UPDATE customers SET first_name = substring_index(name, ' ', 1), last_name = substring_index(name, ' ', -1)
WHERE {{range}} AND first_name IS NULL;
