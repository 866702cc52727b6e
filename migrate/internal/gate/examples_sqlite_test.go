package gate

const sqliteBase = `
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, n INT DEFAULT 1);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INT REFERENCES users (id), total NUMERIC);
CREATE INDEX orders_total ON orders (total);
CREATE VIEW active AS SELECT id, email FROM users;
CREATE TRIGGER users_touch AFTER UPDATE ON users BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END;
`

var sqliteExamples = []example{
	{"drop-column", `ALTER TABLE users DROP COLUMN name;`, "-- contract\nALTER TABLE users DROP COLUMN name;"},
	{"drop-table", `DROP TABLE orders;`, "CREATE TABLE scratch (a);\nDROP TABLE scratch;\n-- contract\nDROP TABLE orders;"},
	{"drop-view", `DROP VIEW active;`, "-- contract\nDROP VIEW active;"},
	{"drop-index", `DROP INDEX orders_total;`, "-- contract\nDROP INDEX orders_total;"},
	{"drop-trigger", `DROP TRIGGER users_touch;`, "-- contract\nDROP TRIGGER users_touch;"},
	{"rename-column", `ALTER TABLE users RENAME name TO full_name;`, `ALTER TABLE users ADD COLUMN full_name TEXT;`},
	{"rename-table", "-- contract\nALTER TABLE [users] RENAME TO customers;", "CREATE VIEW customers AS SELECT * FROM users;\nCREATE TABLE a (i);\nALTER TABLE a RENAME TO b;\nDROP TABLE b;"},
	{"add-trigger", `CREATE TRIGGER users_new AFTER INSERT ON users BEGIN UPDATE users SET n = 1 WHERE id = NEW.id; END;`, "CREATE TABLE notes (a);\nCREATE TRIGGER notes_new AFTER INSERT ON notes BEGIN SELECT 1; END;"},
	{"add-not-null-without-default", `ALTER TABLE users ADD age INT NOT NULL DEFAULT NULL;`, `ALTER TABLE users ADD age INT NOT NULL DEFAULT 0;`},
	{"sqlite-add-column", `ALTER TABLE users ADD COLUMN nick TEXT UNIQUE;`, "ALTER TABLE users ADD COLUMN nick TEXT;\n-- contract\nCREATE UNIQUE INDEX one_nick ON users (nick);"},
	{"new-constraint", `CREATE UNIQUE INDEX one_name ON users (name);`, "ALTER TABLE users ADD COLUMN nick TEXT;\nCREATE UNIQUE INDEX one_nick ON users (nick);"},
	{"sqlite-index-blocks", `CREATE INDEX users_name ON users (name);`, "CREATE TABLE notes (a);\nCREATE INDEX notes_a ON notes (a);"},
	{"rewrite-table", "-- alone\nVACUUM;", `ANALYZE;`},
	{"change-rows-at-once", `UPDATE OR IGNORE users SET name = email;`, "-- backfill\nUPDATE users SET name = email WHERE {{range}} AND name IS NULL;"},
	{"backfill-without-range", "-- backfill\nUPDATE users SET name = email;", "-- backfill\nUPDATE users SET name = email WHERE {{range}};"},
	{"delete-rows", "-- backfill\nDELETE FROM orders WHERE {{range}};", "-- backfill\nUPDATE orders SET total = 0 WHERE {{range}};"},
	{"copy-table", `CREATE TABLE people AS SELECT * FROM users;`, "CREATE TABLE people (id INTEGER PRIMARY KEY);\nINSERT OR IGNORE INTO people VALUES (1);"},
	{"session-setting", `PRAGMA foreign_keys = off;`, `CREATE TABLE notes (a);`},
	{"ends-transaction", `COMMIT;`, `CREATE TABLE notes (a);`},
	{"unreadable", `INSERT INTO orders VALUES (1, 'x);`, `INSERT INTO orders VALUES (1, 2, '3');`},
	{"unknown-statement", "-- alone\nATTACH ':memory:' AS other;", "-- alone\n-- segue: unsafe unknown-statement it is of this connection alone\nATTACH ':memory:' AS other;"},
	{"several-statements", `CREATE TABLE a (i); DROP TABLE users;`, `CREATE TRIGGER two AFTER INSERT ON users BEGIN SELECT 1; SELECT 2; END;`},
	{"several-statements", `CREATE TRIGGER two AFTER INSERT ON users BEGIN SELECT 1; END; DROP TABLE users;`, `CREATE TRIGGER two AFTER INSERT ON users BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END;`},
	{"client-command", `.mode csv`, `CREATE TABLE notes (a);`},
	{"unsafe-comment", "DROP -- segue: unsafe drop-view nobody reads it\nVIEW active;", "-- segue: unsafe drop-view nobody reads it\nDROP VIEW active;"},
	{"wide-index", "CREATE TABLE notes (a, b, c, d);\nCREATE INDEX wide ON notes (a, b, c, d);", "CREATE TABLE notes (a, b, c, d);\nCREATE INDEX narrow ON notes (a, b, c);"},
}
