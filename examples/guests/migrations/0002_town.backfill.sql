-- segue: table=guests key=id
UPDATE guests SET town = 'somewhere' WHERE {{range}} AND town = '';
