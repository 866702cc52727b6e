package migrate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// retype is a migration of operations, as pgroll has them.
const retype = `{"operations": [{"alter_column": {"table": "users", "column": "name", "type": "text", "up": "upper(name)", "down": "lower(name)"}}]}`

// as opens the database as a release does that has a schema of its own.
func as(t *testing.T, url, schema string) *dialect.DB {
	t.Helper()
	url, err := migrate.URL(url, schema, "public", "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := dialect.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestOperationsGiveAReleaseASchemaOfItsOwn(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	old := as(t, url, "")
	users(t, old, 20)
	db, set := open(t, url, migrate.Options{}), files(t, map[string]string{"0008_upper.json": retype})
	if got := set.Schema("public"); got != "public_0008_upper" {
		t.Fatalf("its schema is %q", got)
	}
	if err := errors.Join(db.Expand(t.Context(), set, false), db.Backfill(t.Context())); err != nil {
		t.Fatal(err)
	}
	release := as(t, url, set.Schema("public"))
	run(t, release, "INSERT INTO users VALUES (21, 'NEW')")
	run(t, old, "INSERT INTO users VALUES (22, 'old')")
	for _, c := range []struct {
		from *dialect.DB
		want string
	}{{old, "User 1 new old"}, {release, "USER 1 NEW OLD"}} {
		if got := text(t, c.from, "SELECT string_agg(name, ' ' ORDER BY id) FROM users WHERE id IN (1, 21, 22)"); got != c.want {
			t.Errorf("names are %q, want %q", got, c.want)
		}
	}
	if err := db.Contract(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(t, release, "SELECT name FROM users WHERE id = 22"); got != "OLD" {
		t.Errorf("after contract the name is %q", got)
	}

	// SQL on top: its release finds the tables themselves, and the views go with
	// the release that they were for.
	more := files(t, map[string]string{"0008_upper.json": retype,
		"0009_drop.contract.sql": "ALTER TABLE users DROP COLUMN name;"})
	if got := more.Schema("public"); got != "" {
		t.Errorf("the schema of SQL is %q", got)
	}
	if err := errors.Join(db.Expand(t.Context(), more, false), db.Backfill(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := text(t, release, "SELECT name FROM users WHERE id = 22"); got != "OLD" {
		t.Errorf("before the next contract the name is %q", got)
	}
	if err := db.Contract(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(t, old, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'public\\_%'"); got != "0" {
		t.Errorf("%s schemas of views are left", got)
	}
}

func TestOperationsAreRefusedWhereTheyCannotBeDone(t *testing.T) {
	t.Parallel()
	ops := files(t, map[string]string{"0008_upper.json": retype})
	mixed := files(t, map[string]string{"0008_upper.json": retype, "0009_x.expand.sql": "CREATE TABLE x (a int);"})
	for _, c := range []struct {
		url  string
		set  migrate.Set
		want string
	}{
		{servertest.MariaDBURL(t), ops, "0008_upper.json:1: operations are for PostgreSQL alone"},
		{servertest.PostgresURL(t), mixed, "0008_upper.json and 0009_x.expand.sql cannot be one change"},
	} {
		err := open(t, c.url, migrate.Options{}).Expand(t.Context(), c.set, false)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
