package migrate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// tables are migrations of all operations that are not about a column.
var tables = map[string]string{
	"0001_make.yaml": `
operations:
  - create_table: {name: boxes, columns: [{name: id, type: serial, pk: true}, {name: who, type: bigint, references: {name: boxes_who, table: users, column: id}}]}
  - create_index: {name: by_name, table: users, columns: [{column: name}], unique: true}
  - create_constraint: {type: check, table: users, name: long, columns: [name], check: length(name) > 2, up: {name: "lower(name)"}, down: {name: name}}
  - set_replica_identity: {table: users, identity: {type: full}}
`,
	"0002_routine.yaml": `
operations:
  - create_routine: {name: tell, sql: "CREATE FUNCTION tell(i bigint, how text) RETURNS text LANGUAGE sql AS 'SELECT how || name FROM people WHERE id = i'"}
  - rename_table: {from: users, to: people}
  - rename_constraint: {table: people, from: old_check, to: new_check}
  - drop_table: {name: past}
  - drop_index: {name: past_index}
`,
	"0003_plain.yaml": `
operations:
  - sql: {up: "CREATE TYPE size AS ENUM ('s'); CREATE INDEX CONCURRENTLY by_both ON users (id, (id + 1))", down: "DROP INDEX CONCURRENTLY IF EXISTS by_both; DROP TYPE IF EXISTS size"}
`,
	"0004_last.yaml": "operations:\n  - sql: {up: CREATE TABLE late (id int), onComplete: true}\n",
}

func past(t *testing.T, d *dialect.DB) {
	users(t, d, 20)
	for _, q := range []string{
		"ALTER TABLE users ADD CONSTRAINT old_check CHECK (id > 0)",
		"CREATE TABLE past (id bigint REFERENCES users)",
		"CREATE INDEX past_index ON users (id, (name || 'x'))",
		"CREATE FUNCTION tell(i bigint) RETURNS text LANGUAGE sql AS 'SELECT name FROM users WHERE id = i'",
	} {
		run(t, d, q)
	}
}

// left is what there is: tables, indexes, constraints and routines.
func left(t *testing.T, d *dialect.DB) string {
	return text(t, d, `SELECT string_agg(n, ' ' ORDER BY n) FROM (
		SELECT relname::text AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
		UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')
		UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT typname FROM pg_type WHERE typtype = 'e'
		UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE 'public\_%'
		UNION ALL SELECT 'identity ' || relreplident::text FROM pg_class WHERE relname IN ('users', 'people') AND relkind = 'r') x`)
}

func TestOperationsOnTablesAreGoneOnFromAfterAnyKill(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]string{
		"contract": "boxes boxes_pkey boxes_who by_both by_name identity f late long new_check people public_0004_last size tell(bigint,text) users_pkey",
		"rollback": "identity d old_check past past_id_fkey past_index tell(bigint) users users_pkey",
	} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			url := servertest.PostgresURL(t)
			d := as(t, url, "")
			past(t, d)
			points, said := migrate.DieEverywhere(t, url, tables, "expand", "backfill", last)
			if len(points) < 20 || said != "" {
				t.Errorf("the last one said %q; killed at %q", said, points)
			}
			if got := left(t, d); got != want {
				t.Errorf("left is\n%s, want\n%s", got, want)
			}
		})
	}
}

func TestTheGateJudgesTheSQLAmongOperations(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	d := as(t, url, "")
	users(t, d, 3)
	set := files(t, map[string]string{"0001_x.yaml": "operations:\n  - sql: {up: ALTER TABLE users DROP COLUMN name, down: SELECT 1}\n"})
	db := open(t, url, migrate.Options{})
	change, findings, err := db.Plan(t.Context(), set)
	if err != nil || change == nil || len(findings) != 1 || !findings[0].Refused || findings[0].File != "0001_x.yaml" || findings[0].Line != 2 {
		t.Errorf("plan: %v, %+v", err, findings)
	}
	var refused *migrate.RefusedError
	if err := db.Expand(t.Context(), set, false); !errors.As(err, &refused) || !strings.Contains(err.Error(), "0001_x.yaml:2") {
		t.Errorf("expand: %v", err)
	}
}
