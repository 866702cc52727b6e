package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// theirs are the published rules of others, a statement that breaks each, and the
// rule of ours that finds it. Where there is none, there is the reason.
var theirs = []struct {
	tool, rule string
	kind       Kind
	text       string
	ours       string // without a text: why not
}{
	{"squawk", "adding-field-with-default", Postgres, "ALTER TABLE users ADD COLUMN a float DEFAULT random();", "add-volatile-default"},
	{"squawk", "adding-foreign-key-constraint", Postgres, "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id);", "add-foreign-key"},
	{"squawk", "adding-not-nullable-field", Postgres, "ALTER TABLE users ALTER COLUMN name SET NOT NULL;", "set-not-null"},
	{"squawk", "adding-required-field", Postgres, "ALTER TABLE users ADD COLUMN a int NOT NULL;", "add-not-null-without-default"},
	{"squawk", "adding-serial-primary-key-field", Postgres, "ALTER TABLE users ADD COLUMN a serial PRIMARY KEY;", "add-primary-key"},
	{"squawk", "ban-alter-domain-with-add-constraint", Postgres, "ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE > 0);", "alter-domain"},
	{"squawk", "ban-char-field", Postgres, "CREATE TABLE a (b char(10));", "char-column"},
	{"squawk", "ban-concurrent-index-creation-in-transaction", Postgres, "CREATE INDEX CONCURRENTLY i ON users (name);", "concurrently-in-transaction"},
	{"squawk", "ban-create-domain-with-constraint", Postgres, "CREATE DOMAIN age AS int NOT NULL CHECK (VALUE > 0);", "domain-with-constraint"},
	{"squawk", "ban-drop-column", Postgres, "ALTER TABLE users DROP COLUMN name;", "drop-column"},
	{"squawk", "ban-drop-database", Postgres, "DROP DATABASE shop;", "drop-schema"},
	{"squawk", "ban-drop-not-null", Postgres, "ALTER TABLE users ALTER COLUMN name DROP NOT NULL;", "drop-not-null"},
	{"squawk", "ban-drop-table", Postgres, "DROP TABLE users;", "drop-table"},
	{"squawk", "ban-duplicate-column-assignments", Postgres, "", "PostgreSQL refuses the statement, and its transaction is rolled back"},
	{"squawk", "ban-truncate-cascade", Postgres, "TRUNCATE users CASCADE;", "truncate"},
	{"squawk", "ban-uncommitted-transaction", Postgres, "BEGIN;", "ends-transaction"},
	{"squawk", "changing-column-type", Postgres, "ALTER TABLE users ALTER COLUMN n TYPE bigint USING n::bigint;", "change-type"},
	{"squawk", "constraint-missing-not-valid", Postgres, "ALTER TABLE users ADD CONSTRAINT c CHECK (n > 0);", "add-check"},
	{"squawk", "disallowed-unique-constraint", Postgres, "ALTER TABLE users ADD CONSTRAINT c UNIQUE (name);", "add-unique"},
	{"squawk", "identifier-too-long", Postgres, "CREATE TABLE " + strings.Repeat("long", 20) + " (a int);", "long-name"},
	{"squawk", "prefer-bigint-over-int", Postgres, "CREATE TABLE a (id int PRIMARY KEY);", "int-key"},
	{"squawk", "prefer-bigint-over-smallint", Postgres, "CREATE TABLE a (id smallserial PRIMARY KEY);", "int-key"},
	{"squawk", "prefer-identity", Postgres, "CREATE TABLE a (id bigserial PRIMARY KEY);", "serial-column"},
	{"squawk", "prefer-repack", Postgres, "VACUUM FULL users;", "rewrite-table"},
	{"squawk", "prefer-robust-stmts", Postgres, "", "each statement is run once: it is recorded in the transaction that it is run in"},
	{"squawk", "prefer-text-field", Postgres, "CREATE TABLE a (b varchar(10));", "varchar-limit"},
	{"squawk", "prefer-timestamptz", Postgres, "CREATE TABLE a (b timestamp without time zone);", "timestamp-without-zone"},
	{"squawk", "renaming-column", Postgres, "ALTER TABLE users RENAME COLUMN name TO called;", "rename-column"},
	{"squawk", "renaming-table", Postgres, "ALTER TABLE users RENAME TO people;", "rename-table"},
	{"squawk", "require-concurrent-index-creation", Postgres, "CREATE INDEX i ON users (name);", "create-index-blocks"},
	{"squawk", "require-concurrent-index-deletion", Postgres, "DROP INDEX i;", "drop-index-blocks"},
	{"squawk", "require-concurrent-partition-detach", Postgres, "ALTER TABLE events DETACH PARTITION events_1;", "detach-blocks"},
	{"squawk", "require-concurrent-reindex", Postgres, "REINDEX TABLE users;", "reindex-blocks"},
	{"squawk", "require-enum-value-ordering", Postgres, "ALTER TYPE mood ADD VALUE 'so-so';", "add-enum-value"},
	{"squawk", "require-table-schema", Postgres, "", "the runner sets the search_path, and refuses statements that change it (session-setting)"},
	{"squawk", "require-timeout-settings", Postgres, "", "the runner sets lock_timeout for every statement"},
	{"squawk", "transaction-nesting", Postgres, "COMMIT;", "ends-transaction"},

	{"strong_migrations", "removing a column", MariaDB, "ALTER TABLE users DROP COLUMN name;", "drop-column"},
	{"strong_migrations", "changing the type of a column", MariaDB, "ALTER TABLE users MODIFY n bigint;", "change-type"},
	{"strong_migrations", "renaming a column", MariaDB, "ALTER TABLE users CHANGE name called varchar(40);", "rename-column"},
	{"strong_migrations", "renaming a table", MariaDB, "RENAME TABLE users TO people;", "rename-table"},
	{"strong_migrations", "creating a table with the force option", MariaDB, "CREATE OR REPLACE TABLE users (a int);", "drop-table"},
	{"strong_migrations", "adding an auto-incrementing column", MariaDB, "ALTER TABLE users ADD COLUMN a bigint AUTO_INCREMENT UNIQUE;", "add-serial"},
	{"strong_migrations", "adding a stored generated column", Postgres, "ALTER TABLE users ADD COLUMN a int GENERATED ALWAYS AS (n + 1) STORED;", "add-stored-generated"},
	{"strong_migrations", "adding a foreign key", MariaDB, "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id);", "add-foreign-key"},
	{"strong_migrations", "adding a check constraint", MariaDB, "ALTER TABLE users ADD CONSTRAINT c CHECK (n > 0);", "add-check"},
	{"strong_migrations", "executing SQL directly", Postgres, "DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$;", "hidden-effect"},
	{"strong_migrations", "backfilling data", Postgres, "UPDATE users SET n = 1;", "change-rows-at-once"},
	{"strong_migrations", "adding an index non-concurrently", Postgres, "CREATE INDEX i ON users (name);", "create-index-blocks"},
	{"strong_migrations", "adding a reference", Postgres, "ALTER TABLE orders ADD COLUMN payer bigint DEFAULT 1 REFERENCES users (id);", "add-foreign-key"},
	{"strong_migrations", "adding a unique constraint", Postgres, "ALTER TABLE users ADD UNIQUE (name);", "add-unique"},
	{"strong_migrations", "adding an exclusion constraint", Postgres, "ALTER TABLE orders ADD EXCLUDE USING gist (span WITH &&);", "add-exclusion"},
	{"strong_migrations", "adding a json column", Postgres, "ALTER TABLE users ADD COLUMN a json;", "json-column"},
	{"strong_migrations", "adding a column with a volatile default value", Postgres, "ALTER TABLE users ADD COLUMN a uuid DEFAULT gen_random_uuid();", "add-volatile-default"},
	{"strong_migrations", "setting NOT NULL on an existing column", Postgres, "ALTER TABLE users ALTER COLUMN name SET NOT NULL;", "set-not-null"},
	{"strong_migrations", "renaming an enum value", Postgres, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';", "rename-enum-value"},
	{"strong_migrations", "renaming a schema", Postgres, "ALTER SCHEMA old RENAME TO archive;", "rename-schema"},
	{"strong_migrations", "using the COPY algorithm", MariaDB, "ALTER TABLE users ADD COLUMN a int, ALGORITHM=COPY;", "alter-copies"},
	{"strong_migrations", "using shared or exclusive locking", MariaDB, "ALTER TABLE users ADD INDEX i (name), LOCK=SHARED;", "alter-copies"},
	{"strong_migrations", "adding a column with an expression default value", MariaDB, "ALTER TABLE users ADD COLUMN a varchar(36) DEFAULT (uuid());", "add-volatile-default"},
	{"strong_migrations", "keeping non-unique indexes to three columns or less", Postgres, "CREATE INDEX i ON users (a, b, c, d);", "wide-index"},
}

func TestRulesOfOthersAreFound(t *testing.T) {
	for _, r := range theirs {
		if r.text == "" {
			continue
		}
		found := Check(r.kind, change(r.text))
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == r.ours }) {
			t.Errorf("%s %s: %s finds nothing in %s; but: %v", r.tool, r.rule, r.ours, r.text, found)
		}
	}
}

// theirTable is for the page.
func theirTable() string {
	var b strings.Builder
	b.WriteString("| | their rule | here |\n| --- | --- | --- |\n")
	for _, r := range theirs {
		ours := r.ours
		if r.text != "" {
			ours = fmt.Sprintf("[%s](#%[1]s)", r.ours)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.tool, r.rule, ours)
	}
	return b.String()
}
