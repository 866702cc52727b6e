package gate

// postgresBase is what the examples find in the database.
const postgresBase = `
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name varchar(40), n int DEFAULT 1, CONSTRAINT n_positive CHECK (n > 0));
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, total numeric(10,2), span tsrange, CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
CREATE INDEX orders_total ON orders (total);
CREATE TABLE keyless (a bigint NOT NULL, b bigint);
CREATE VIEW active AS SELECT id, email FROM users;
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE UNIQUE INDEX totals_user ON totals (user_id);
CREATE FUNCTION greet(name text) RETURNS text LANGUAGE sql AS $$ SELECT 'hello ' || name $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN positive AS int;
CREATE SEQUENCE tickets;
CREATE SCHEMA old;
CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 (at date NOT NULL);
`

// postgresExamples: the rule, what breaks it, and what does not.
var postgresExamples = []example{
	{"drop-column", `ALTER TABLE users DROP COLUMN name;`, "-- contract\nALTER TABLE users DROP COLUMN name;"},
	{"drop-table", `DROP TABLE IF EXISTS keyless;`, "CREATE TABLE scratch (a int);\nDROP TABLE scratch;\n-- contract\nDROP TABLE keyless;"},
	{"drop-view", `DROP VIEW active;`, "CREATE VIEW active_2 AS SELECT id, email, name FROM users;\n-- contract\nDROP VIEW active;"},
	{"drop-function", `DROP FUNCTION greet(text);`, "CREATE FUNCTION greet_2(name text) RETURNS text LANGUAGE sql AS $$ SELECT 'good day ' || name; SELECT 'x' $$;\n-- contract\nDROP FUNCTION greet(text);"},
	{"drop-type", `DROP TYPE mood;`, "CREATE TYPE mood_2 AS ENUM ('sad', 'so-so', 'happy');\n-- contract\nDROP TYPE mood;"},
	{"drop-constraint", `ALTER TABLE users DROP CONSTRAINT n_positive;`, "-- contract\nALTER TABLE users DROP CONSTRAINT n_positive;"},
	{"drop-index", "-- alone\nDROP INDEX CONCURRENTLY orders_total;", "-- contract\n-- alone\nDROP INDEX CONCURRENTLY orders_total;"},
	{"drop-trigger", `DROP TRIGGER users_touch ON users;`, "-- contract\nDROP TRIGGER users_touch ON users;"},
	{"drop-object", `DROP SEQUENCE tickets;`, "CREATE SEQUENCE tickets_2;\n-- contract\nDROP SEQUENCE tickets;"},
	{"drop-schema", "-- contract\nDROP SCHEMA old;", `CREATE SCHEMA new;`},
	{"drop-cascade", "-- contract\nDROP TABLE users CASCADE;", "-- contract\nALTER TABLE orders DROP CONSTRAINT orders_user;\nDROP VIEW active;\nDROP TABLE users;"},
	{"drop-default", `ALTER TABLE users ALTER COLUMN n DROP DEFAULT;`, "-- contract\nALTER TABLE users ALTER COLUMN n DROP DEFAULT;"},
	{"drop-not-null", `ALTER TABLE users ALTER COLUMN email DROP NOT NULL;`, `ALTER TABLE users ALTER COLUMN email SET DEFAULT '';`},

	{"rename-column", `ALTER TABLE users RENAME name TO full_name;`, "ALTER TABLE users ADD COLUMN full_name text;\n-- backfill\nUPDATE users SET full_name = name WHERE {{range}} AND full_name IS NULL;\n-- contract\nALTER TABLE users DROP COLUMN name;"},
	{"rename-table", "-- contract\nALTER TABLE users RENAME TO customers;", "CREATE VIEW customers AS SELECT * FROM users;\n-- contract\nDROP VIEW customers;\nALTER TABLE users RENAME TO customers;"},
	{"rename-schema", `ALTER SCHEMA old RENAME TO archive;`, `CREATE SCHEMA archive;`},
	{"rename-enum-value", `ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';`, `ALTER TYPE mood ADD VALUE 'blue' BEFORE 'sad';`},
	{"rename-object", `ALTER FUNCTION greet(text) RENAME TO welcome;`, `CREATE FUNCTION welcome(name text) RETURNS text LANGUAGE sql AS $$ SELECT name $$;`},

	{"replace-function", `CREATE OR REPLACE FUNCTION greet(name text) RETURNS text LANGUAGE sql AS $$ SELECT 'hi ' || name $$;`, `CREATE FUNCTION greet(name text, formal boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'hi ' || name $$;`},
	{"replace-view", `CREATE OR REPLACE VIEW active AS SELECT id, email, name FROM users;`, `CREATE VIEW active_2 AS SELECT id, email, name FROM users;`},
	{"replace-trigger", `CREATE OR REPLACE TRIGGER users_touch BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch();`, `CREATE TRIGGER users_touch_2 BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch();`},
	{"add-trigger", `CREATE TRIGGER users_touch_2 BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch();`, "CREATE TABLE notes (a text);\nCREATE TRIGGER notes_touch BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touch();"},
	{"create-rule", `CREATE RULE no_delete AS ON DELETE TO users DO INSTEAD NOTHING;`, `CREATE TRIGGER no_delete BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION touch();`},
	{"disable-trigger", `ALTER TABLE users DISABLE TRIGGER users_touch;`, `ALTER TABLE users SET (fillfactor = 70);`},

	{"add-not-null-without-default", `ALTER TABLE users ADD COLUMN age int NOT NULL;`, `ALTER TABLE users ADD COLUMN age int NOT NULL DEFAULT 0;`},
	{"add-not-null-without-default", "ALTER TABLE users ADD COLUMN age int;\nALTER TABLE users ADD CONSTRAINT has_age CHECK (age IS NOT NULL) NOT VALID;", "ALTER TABLE users ADD COLUMN age int DEFAULT 0;\nALTER TABLE users ADD CONSTRAINT has_age CHECK (age IS NOT NULL) NOT VALID;"},
	{"add-volatile-default", `ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();`, "ALTER TABLE users ADD COLUMN token uuid;\nALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid();\n-- backfill\nUPDATE users SET token = gen_random_uuid() WHERE {{range}} AND token IS NULL;"},
	{"add-volatile-default", `ALTER TABLE users ADD COLUMN at timestamptz DEFAULT clock_timestamp();`, `ALTER TABLE users ADD COLUMN at timestamptz DEFAULT now(), ADD label varchar DEFAULT 'x'::character varying(20);`},
	{"add-serial", `ALTER TABLE orders ADD COLUMN number bigserial;`, "CREATE SEQUENCE numbers;\nALTER TABLE orders ADD COLUMN number bigint;\nALTER TABLE orders ALTER COLUMN number SET DEFAULT nextval('numbers');"},
	{"add-serial", `ALTER TABLE orders ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 10);`, `CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);`},
	{"add-stored-generated", `ALTER TABLE users ADD COLUMN lower_email text GENERATED ALWAYS AS (lower(email)) STORED;`, `ALTER TABLE users ADD COLUMN lower_email text;`},
	{"change-type", `ALTER TABLE users ALTER COLUMN n TYPE bigint;`, `ALTER TABLE users ADD COLUMN n_2 bigint;`},
	{"change-type", "-- contract\nALTER TABLE keyless ALTER b SET DATA TYPE text USING b::text;", "-- segue: unsafe change-type the table has ten rows\nALTER TABLE keyless ALTER COLUMN b TYPE numeric;"},
	{"set-not-null", `ALTER TABLE users ALTER COLUMN name SET NOT NULL;`, "-- contract\nALTER TABLE users ADD CONSTRAINT has_name CHECK (name IS NOT NULL) NOT VALID;\n-- alone\nALTER TABLE users VALIDATE CONSTRAINT has_name;\nALTER TABLE users ALTER COLUMN name SET NOT NULL;\nALTER TABLE users DROP CONSTRAINT has_name;"},
	{"set-not-null", `ALTER TABLE users ADD CONSTRAINT has_name CHECK ((name IS NOT NULL)) NOT VALID;`, "ALTER TABLE users ADD COLUMN age int DEFAULT 3;\n-- backfill\nALTER TABLE users ADD CONSTRAINT has_age CHECK (age IS NOT NULL) NOT VALID;"},
	{"set-not-null-scans", "-- contract\nALTER TABLE users ALTER COLUMN name SET NOT NULL;", "-- contract\nALTER TABLE users ADD CONSTRAINT has_name CHECK (name IS NOT NULL) NOT VALID;\n-- alone\nALTER TABLE users VALIDATE CONSTRAINT has_name;\nALTER TABLE users ALTER COLUMN name SET NOT NULL;"},

	{"add-foreign-key", `ALTER TABLE orders ADD CONSTRAINT by FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL;`, "ALTER TABLE orders ADD CONSTRAINT by FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID;\n-- backfill\nALTER TABLE orders VALIDATE CONSTRAINT by;"},
	{"add-foreign-key", `ALTER TABLE orders ADD COLUMN payer bigint DEFAULT 1 REFERENCES users (id);`, `ALTER TABLE orders ADD COLUMN payer bigint REFERENCES users (id) ON DELETE SET NULL;`},
	{"add-check", `ALTER TABLE users ADD CONSTRAINT small CHECK (n < 1000);`, "ALTER TABLE users ADD CONSTRAINT small CHECK (n < 1000) NOT VALID;\n-- backfill\nALTER TABLE users VALIDATE CONSTRAINT small;"},
	{"add-check", `ALTER TABLE users ADD COLUMN age int CHECK (age > 0);`, "ALTER TABLE users ADD COLUMN age int;\nALTER TABLE users ADD CHECK (age > 0) NOT VALID;"},
	{"add-unique", `ALTER TABLE users ADD CONSTRAINT one_name UNIQUE (name);`, "-- alone\nCREATE UNIQUE INDEX CONCURRENTLY one_name ON users (name);\nALTER TABLE users ADD CONSTRAINT one_name UNIQUE USING INDEX one_name;"},
	{"add-unique", `ALTER TABLE users ADD COLUMN nick text UNIQUE;`, "ALTER TABLE users ADD COLUMN nick text;\n-- alone\nCREATE UNIQUE INDEX CONCURRENTLY one_nick ON users (nick);"},
	{"add-primary-key", "-- contract\nALTER TABLE keyless ADD PRIMARY KEY (a);", "-- alone\nCREATE UNIQUE INDEX CONCURRENTLY keyless_a ON keyless (a);\n-- contract\nALTER TABLE keyless ADD CONSTRAINT keyless_pkey PRIMARY KEY USING INDEX keyless_a;"},
	{"add-exclusion", `ALTER TABLE orders ADD CONSTRAINT no_overlap EXCLUDE USING gist (span WITH &&);`, `CREATE TABLE bookings (span tsrange, EXCLUDE USING gist (span WITH &&));`},
	{"validate-in-same-transaction", "ALTER TABLE users ADD CONSTRAINT small CHECK (n < 1000) NOT VALID, VALIDATE CONSTRAINT small;", "ALTER TABLE users ADD CONSTRAINT small CHECK (n < 1000) NOT VALID;\n-- alone\nALTER TABLE users VALIDATE CONSTRAINT small;"},
	{"alter-domain", `ALTER DOMAIN positive ADD CONSTRAINT above_zero CHECK (VALUE > 0);`, `ALTER DOMAIN positive ADD CONSTRAINT above_zero CHECK (VALUE > 0) NOT VALID;`},
	{"new-constraint", "-- alone\nCREATE UNIQUE INDEX CONCURRENTLY one_name ON users (name);", "ALTER TABLE users ADD COLUMN nick text;\n-- alone\nCREATE UNIQUE INDEX CONCURRENTLY one_nick ON users (nick);"},

	{"create-index-blocks", `CREATE INDEX users_name ON users (name);`, "-- alone\nCREATE INDEX CONCURRENTLY users_name ON users (name);"},
	{"create-index-blocks", "CREATE TABLE IF NOT EXISTS keyless (a int);\nCREATE INDEX keyless_a ON keyless (a);", "CREATE TABLE notes (a int);\nCREATE INDEX notes_a ON notes (a);"},
	{"drop-index-blocks", "-- contract\nDROP INDEX orders_total;", "-- contract\n-- alone\nDROP INDEX CONCURRENTLY IF EXISTS orders_total;"},
	{"reindex-blocks", "-- alone\nREINDEX TABLE orders;", "-- alone\nREINDEX TABLE CONCURRENTLY orders;"},
	{"concurrently-in-transaction", "-- contract\nALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;", "-- contract\n-- alone\nALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;"},

	{"rewrite-table", "-- alone\nVACUUM FULL orders;", "-- alone\nVACUUM (ANALYZE) orders;"},
	{"rewrite-table", `ALTER TABLE orders SET UNLOGGED;`, `CREATE UNLOGGED TABLE notes (a int);`},
	{"set-tablespace", `ALTER TABLE orders SET TABLESPACE pg_default;`, `CREATE TABLE orders_2 (a int) TABLESPACE pg_default;`},
	{"lock-table", `LOCK TABLE users IN SHARE MODE;`, `COMMENT ON TABLE users IS 'people';`},
	{"refresh-blocks", `REFRESH MATERIALIZED VIEW totals;`, `REFRESH MATERIALIZED VIEW CONCURRENTLY totals;`},
	{"detach-partition", "-- alone\nALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;", "-- contract\n-- alone\nALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;"},
	{"detach-blocks", "-- contract\nALTER TABLE events DETACH PARTITION events_1;", "-- contract\n-- alone\nALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;"},
	{"attach-partition", `ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');`, "CREATE TABLE events_3 (at date NOT NULL);\nALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');"},

	{"change-rows-at-once", `UPDATE users SET name = email;`, "-- backfill\nUPDATE users SET name = email WHERE {{range}} AND name IS NULL;"},
	{"change-rows-at-once", "CREATE TABLE people (id bigint, email text);\nWITH all_of AS (SELECT * FROM users) INSERT INTO people SELECT id, email FROM all_of;", "CREATE TABLE people (id bigint, email text);\nINSERT INTO people SELECT id, email FROM users;\nINSERT INTO keyless VALUES (1, 2);"},
	{"backfill-without-range", "-- backfill\nUPDATE users SET name = email;", "-- backfill\nUPDATE users SET name = email WHERE {{range}};"},
	{"delete-rows", "-- backfill\nDELETE FROM users WHERE {{range}} AND name IS NULL;", "-- backfill\nUPDATE users SET name = '' WHERE {{range}} AND name IS NULL;"},
	{"truncate", "-- contract\nTRUNCATE orders RESTART IDENTITY;", "CREATE TABLE notes (a int);\nTRUNCATE notes;"},
	{"copy-table", `CREATE TABLE people AS SELECT * FROM users;`, `CREATE TABLE people (LIKE users INCLUDING ALL);`},
	{"copy-table", `SELECT * INTO people FROM users;`, `CREATE MATERIALIZED VIEW people AS SELECT * FROM users;`},

	{"revoke", `REVOKE SELECT ON users FROM PUBLIC;`, "GRANT SELECT ON users TO PUBLIC;\n-- contract\nREVOKE SELECT ON users FROM PUBLIC;"},
	{"alter-role", `ALTER ROLE CURRENT_USER SET statement_timeout = 0;`, `GRANT SELECT ON users TO PUBLIC;`},
	{"change-owner", `ALTER TABLE users OWNER TO CURRENT_USER;`, "-- contract\nALTER TABLE users OWNER TO CURRENT_USER;"},
	{"row-level-security", `ALTER TABLE users ENABLE ROW LEVEL SECURITY;`, "CREATE TABLE notes (a int);\nALTER TABLE notes ENABLE ROW LEVEL SECURITY;\nCREATE POLICY one ON notes USING (a = 1);"},
	{"session-setting", `SET search_path = old;`, `SET LOCAL statement_timeout = '1h';`},
	{"session-setting", `SELECT set_config('search_path', '', false);`, `CREATE TABLE old.notes (a int);`},
	{"ends-transaction", `COMMIT;`, `CREATE TABLE notes (a int);`},
	{"restart-sequence", `ALTER SEQUENCE tickets RESTART;`, `CREATE SEQUENCE tickets_2 START 1000;`},

	{"unreadable", `INSERT INTO keyless VALUES (1, 'x);`, `INSERT INTO keyless VALUES (1, '2');`},
	{"unreadable", `UPDATE users SET name = '' WHERE {{range}};`, "-- backfill\nUPDATE users SET name = '' WHERE {{range}};"},
	{"unknown-statement", `EXPLAIN ANALYZE DELETE FROM users;`, "-- segue: unsafe unknown-statement it only takes a note in the log\nCHECKPOINT;"},
	{"several-statements", `CREATE TABLE a (i int); DROP TABLE users CASCADE;`, `CREATE FUNCTION two() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;`},
	{"client-command", `\i other.sql`, `COMMENT ON TABLE users IS '\i other.sql';`},
	{"client-command", `COPY users FROM STDIN;`, `INSERT INTO keyless VALUES (1, 2), (3, 4);`},
	{"hidden-effect", `DO $$ BEGIN DROP TABLE keyless; END $$;`, "-- contract\nDROP TABLE keyless;"},
	{"unsafe-comment", "-- segue: unsafe change-type\nALTER TABLE users ALTER COLUMN n TYPE bigint;", "-- segue: unsafe change-type ten rows, measured: 3 ms\nALTER TABLE users ALTER COLUMN n TYPE bigint;"},

	{"add-enum-value", `ALTER TYPE mood ADD VALUE 'so-so';`, "CREATE TYPE size AS ENUM ('s', 'm');\nALTER TYPE size ADD VALUE 'l';"},
	{"json-column", `ALTER TABLE users ADD COLUMN extra json;`, `ALTER TABLE users ADD COLUMN extra jsonb;`},
	{"char-column", `ALTER TABLE users ADD COLUMN code char(8);`, `ALTER TABLE users ADD COLUMN code text;`},
	{"varchar-limit", `CREATE TABLE notes (a character varying(20));`, `CREATE TABLE notes (a text);`},
	{"timestamp-without-zone", `CREATE TABLE notes (at timestamp);`, `CREATE TABLE notes (at timestamp with time zone);`},
	{"int-key", `CREATE TABLE notes (id int, PRIMARY KEY (id));`, `CREATE TABLE notes (id bigint PRIMARY KEY, n int);`},
	{"serial-column", `CREATE TABLE notes (id bigserial PRIMARY KEY);`, `CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);`},
	{"domain-with-constraint", `CREATE DOMAIN age AS int CHECK (VALUE > 0);`, `CREATE DOMAIN age AS int;`},
	{"wide-index", "CREATE TABLE notes (a int, b int, c int, d int);\nCREATE INDEX wide ON notes (a, b, c, d);", "CREATE TABLE notes (a int, b int, c int, d int);\nCREATE INDEX narrow ON notes (a, b, lower(c::text || d::text));"},
	{"long-name", `CREATE TABLE a_name_that_is_so_long_that_postgresql_cuts_its_end_off_without_saying_so (a int);`, `CREATE TABLE notes (a int);`},
}
