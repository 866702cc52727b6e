package gate

const mariadbBase = `
CREATE USER IF NOT EXISTS somebody;
CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name varchar(40), n int DEFAULT 1, mood enum('sad', 'happy'), bio text, CONSTRAINT n_positive CHECK (n > 0));
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, total decimal(10,2), KEY orders_total (total), CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
CREATE TABLE keyless (a bigint NOT NULL, b bigint);
GRANT SELECT ON users TO somebody;
CREATE VIEW active AS SELECT id, email FROM users;
CREATE FUNCTION greet(name text) RETURNS text DETERMINISTIC RETURN concat('hello ', name);
CREATE PROCEDURE tidy() BEGIN DELETE FROM keyless; SELECT 1; END;
CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW SET NEW.name = trim(NEW.name);
CREATE SEQUENCE tickets;
CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
`

var mariadbExamples = []example{
	{"drop-column", "ALTER TABLE `users` DROP name;", "-- contract\nALTER TABLE users DROP COLUMN name;"},
	{"drop-table", `CREATE OR REPLACE TABLE keyless (a int);`, "CREATE TABLE scratch (a int);\nDROP TABLE scratch;\n-- contract\nDROP TABLE orders;"},
	{"drop-view", `DROP VIEW active;`, "CREATE VIEW active_2 AS SELECT id, email, name FROM users;\n-- contract\nDROP VIEW active;"},
	{"drop-function", `DROP PROCEDURE IF EXISTS tidy;`, "CREATE PROCEDURE tidy_2(IN days int) BEGIN DELETE FROM keyless WHERE a < days; SELECT 1; END;\n-- contract\nDROP PROCEDURE tidy;"},
	{"drop-constraint", `ALTER TABLE orders DROP FOREIGN KEY orders_user;`, "-- contract\nALTER TABLE orders DROP FOREIGN KEY orders_user;"},
	{"drop-constraint", `ALTER TABLE users DROP CONSTRAINT n_positive;`, "-- contract\nALTER TABLE users DROP CONSTRAINT n_positive;"},
	{"drop-index", `DROP INDEX orders_total ON orders;`, "-- contract\nALTER TABLE orders DROP INDEX orders_total;"},
	{"drop-trigger", `DROP TRIGGER users_touch;`, "-- contract\nDROP TRIGGER users_touch;"},
	{"drop-object", `DROP SEQUENCE tickets;`, "CREATE SEQUENCE tickets_2;\n-- contract\nDROP SEQUENCE tickets;"},
	{"drop-schema", "-- contract\nDROP DATABASE IF EXISTS nowhere;", "-- contract\nDROP TABLE orders;"},
	{"drop-default", `ALTER TABLE users ALTER n DROP DEFAULT;`, "-- contract\nALTER TABLE users ALTER COLUMN n DROP DEFAULT;"},

	{"rename-column", `ALTER TABLE users CHANGE name full_name varchar(40);`, "ALTER TABLE users ADD COLUMN full_name varchar(40);\n-- backfill\nUPDATE users SET full_name = name WHERE {{range}} AND full_name IS NULL;\n-- contract\nALTER TABLE users DROP COLUMN name;"},
	{"rename-column", `ALTER TABLE users RENAME COLUMN name TO full_name;`, `ALTER TABLE users RENAME INDEX email TO one_email;`},
	{"rename-table", `RENAME TABLE users TO customers;`, "CREATE VIEW customers AS SELECT * FROM users;\n-- contract\nRENAME TABLE customers TO old_customers, users TO customers;\nDROP VIEW old_customers;"},

	{"replace-function", `CREATE OR REPLACE FUNCTION greet(name text) RETURNS text DETERMINISTIC RETURN name;`, `CREATE DEFINER=CURRENT_USER() FUNCTION greet_2(name text) RETURNS text DETERMINISTIC RETURN name;`},
	{"replace-view", `CREATE OR REPLACE ALGORITHM=MERGE VIEW active AS SELECT id, email, name FROM users;`, `CREATE VIEW active_2 AS SELECT id, email, name FROM users;`},
	{"replace-trigger", `CREATE OR REPLACE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW SET NEW.name = 'x';`, `CREATE TRIGGER users_touch_2 BEFORE UPDATE ON users FOR EACH ROW SET NEW.name = 'x';`},
	{"add-trigger", `CREATE TRIGGER users_new BEFORE INSERT ON users FOR EACH ROW BEGIN SET NEW.name = 'x'; SET NEW.n = 1; END;`, "CREATE TABLE notes (a int);\nCREATE TRIGGER notes_new BEFORE INSERT ON notes FOR EACH ROW SET NEW.a = 1;"},

	{"add-not-null-without-default", `ALTER TABLE users ADD COLUMN age int NOT NULL, ALGORITHM=INSTANT;`, `ALTER TABLE users ADD COLUMN age int NOT NULL DEFAULT 0 COMMENT 'years' AFTER name;`},
	{"add-volatile-default", `ALTER TABLE users ADD COLUMN token varchar(36) DEFAULT (uuid());`, "ALTER TABLE users ADD COLUMN token varchar(36);\nALTER TABLE users ALTER COLUMN token SET DEFAULT (uuid());"},
	{"add-volatile-default", `ALTER TABLE users ADD COLUMN r double DEFAULT (rand());`, `ALTER TABLE users ADD COLUMN at datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3);`},
	{"add-serial", `ALTER TABLE keyless ADD COLUMN id bigint AUTO_INCREMENT UNIQUE;`, `CREATE TABLE numbered (id bigint AUTO_INCREMENT PRIMARY KEY);`},
	{"add-stored-generated", `ALTER TABLE users ADD COLUMN twice int AS (n * 2) PERSISTENT;`, `ALTER TABLE users ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) VIRTUAL;`},
	{"change-type", `ALTER TABLE users MODIFY n bigint DEFAULT 1;`, `ALTER TABLE users MODIFY name varchar(60), ALGORITHM=INSTANT;`},
	{"change-type", "-- contract\nALTER TABLE users CONVERT TO CHARACTER SET utf8mb3;", `ALTER TABLE users MODIFY mood enum('sad', 'happy', 'so-so'), ALGORITHM = INSTANT, LOCK = NONE;`},
	{"set-not-null", `ALTER TABLE users MODIFY name varchar(40) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;`, "-- contract\nALTER TABLE users MODIFY name varchar(40) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;"},

	{"add-foreign-key", `ALTER TABLE orders ADD CONSTRAINT bought FOREIGN KEY (user_id) REFERENCES users (id);`, `SET STATEMENT foreign_key_checks=0 FOR ALTER TABLE orders ADD CONSTRAINT bought FOREIGN KEY (user_id) REFERENCES users (id), ALGORITHM=INPLACE, LOCK=NONE;`},
	{"add-check", `ALTER TABLE users ADD CONSTRAINT small CHECK (n < 1000);`, `ALTER TABLE users ADD COLUMN age int CHECK (age > 0);`},
	{"add-primary-key", "-- contract\nALTER TABLE keyless ADD PRIMARY KEY (a);", "-- contract\nALTER TABLE keyless ADD PRIMARY KEY (a), ALGORITHM=INPLACE, LOCK=NONE;"},
	{"new-constraint", `ALTER TABLE users ADD UNIQUE KEY one_name (name);`, "ALTER TABLE users ADD COLUMN nick varchar(20);\nALTER TABLE users ADD UNIQUE KEY one_nick (nick);"},

	{"fulltext-index-blocks", `CREATE FULLTEXT INDEX words ON users (bio);`, `CREATE TABLE posts (id bigint PRIMARY KEY, body text, FULLTEXT KEY words (body));`},
	{"alter-copies", `ALTER TABLE users ADD COLUMN age int, ALGORITHM=COPY;`, `ALTER TABLE users ADD COLUMN age int, ALGORITHM=INPLACE, LOCK=NONE;`},
	{"alter-copies", `CREATE INDEX users_n ON users (n) LOCK=SHARED;`, `CREATE INDEX users_n ON users (n) ALGORITHM=INPLACE LOCK=NONE;`},
	{"rewrite-table", `OPTIMIZE TABLE orders;`, `ANALYZE TABLE orders;`},
	{"rewrite-table", `ALTER TABLE orders ENGINE=InnoDB;`, `ALTER TABLE orders ENGINE=InnoDB, ALGORITHM=INPLACE, LOCK=NONE;`},
	{"lock-table", `LOCK TABLES users WRITE;`, `ALTER TABLE users COMMENT='people';`},
	{"detach-partition", `ALTER TABLE events DROP PARTITION p0;`, "-- contract\nALTER TABLE events DROP PARTITION p0;"},
	{"attach-partition", `ALTER TABLE events ADD PARTITION (PARTITION p2 VALUES LESS THAN (30));`, `CREATE TABLE more_events (at int) PARTITION BY RANGE (at) (PARTITION p0 VALUES LESS THAN (10));`},

	{"change-rows-at-once", `UPDATE users SET name = email;`, "-- backfill\nUPDATE users SET name = email WHERE {{range}} AND name IS NULL;"},
	{"change-rows-at-once", `REPLACE INTO keyless SELECT id, n FROM users;`, "CREATE TABLE people (id bigint, n int);\nREPLACE INTO people SELECT id, n FROM users;\nINSERT INTO keyless SET a = 1;"},
	{"backfill-without-range", "-- backfill\nINSERT INTO keyless SELECT id, n FROM users;", "-- backfill\nINSERT INTO keyless SELECT id, n FROM users WHERE {{range}};"},
	{"delete-rows", "-- backfill\nDELETE FROM orders WHERE {{range}} AND total = 0;", "-- backfill\nUPDATE orders SET total = NULL WHERE {{range}} AND total = 0;"},
	{"truncate", "-- contract\nTRUNCATE TABLE orders;", "CREATE TABLE notes (a int);\nTRUNCATE notes;"},
	{"copy-table", `CREATE TABLE people SELECT * FROM users;`, `CREATE TABLE people LIKE users;`},
	{"alter-ignore", `ALTER IGNORE TABLE users ADD UNIQUE KEY one_name (name);`, `ALTER TABLE users ADD UNIQUE KEY one_name (name);`},

	{"revoke", `REVOKE SELECT ON users FROM somebody;`, "-- contract\nREVOKE SELECT ON users FROM somebody;"},
	{"alter-role", `ALTER USER somebody ACCOUNT LOCK;`, `CREATE TABLE notes (a int);`},
	{"session-setting", `SET foreign_key_checks = 0;`, `SET STATEMENT max_statement_time=60 FOR ALTER TABLE users ADD COLUMN age int;`},
	{"session-setting", `SET STATEMENT sql_mode='ANSI_QUOTES' FOR SELECT 1;`, `SET STATEMENT lock_wait_timeout=1, max_statement_time=60 FOR ALTER TABLE users ADD COLUMN age int;`},
	{"ends-transaction", `COMMIT;`, `CREATE TABLE notes (a int);`},
	{"restart-sequence", `ALTER SEQUENCE tickets RESTART 1;`, `CREATE SEQUENCE tickets_2 START 1000;`},

	{"unreadable", `INSERT INTO keyless VALUES (1, 'it\'s);`, `INSERT INTO keyless VALUES (1, length('it\'s'));`},
	{"unknown-statement", `HANDLER users OPEN;`, "-- segue: unsafe unknown-statement it writes to the log alone\nHELP 'x';"},
	{"several-statements", `CREATE TABLE a (i int); DROP TABLE users;`, `CREATE PROCEDURE two() BEGIN SELECT 1; IF true THEN SELECT 2; END IF; END;`},
	{"several-statements", `CREATE TABLE a (i int) /*!50000 ; DROP TABLE users */;`, `CREATE TABLE a (i int) /* ; DROP TABLE users */;`},
	{"client-command", `DELIMITER //`, `CREATE TABLE a (i int);`},
	{"hidden-effect", `CALL tidy();`, "-- contract\nDROP TABLE orders;"},
	{"unsafe-comment", "# segue: unsafe no-such-rule because\nALTER TABLE users MODIFY n bigint;", "# segue: unsafe change-type ten rows, measured: 3 ms\nALTER TABLE users MODIFY n bigint;"},
	{"int-key", `CREATE TABLE notes (id int unsigned AUTO_INCREMENT PRIMARY KEY);`, `CREATE TABLE notes (id bigint AUTO_INCREMENT PRIMARY KEY);`},
	{"wide-index", `ALTER TABLE users ADD INDEX wide (id, email, name, n);`, `ALTER TABLE users ADD INDEX narrow (email, name, n);`},
}
