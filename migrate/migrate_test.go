package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// files makes a folder of migrations.
func files(t testing.TB, texts map[string]string) migrate.Set {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range texts {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := migrate.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// users is a table with rows, which releases have in common.
func users(t testing.TB, d *dialect.DB, rows int) {
	t.Helper()
	run(t, d, "CREATE TABLE users (id int PRIMARY KEY, name varchar(100) NOT NULL)")
	for from := 1; from <= rows; from += 100 {
		var values []string
		for id := from; id < from+100 && id <= rows; id++ {
			values = append(values, fmt.Sprintf("(%d, 'User %d')", id, id))
		}
		run(t, d, "INSERT INTO users VALUES "+strings.Join(values, ", "))
	}
}

// email is a migration with something of each phase.
func email(kind dialect.Kind) map[string]string {
	index, drop := "CREATE INDEX by_email ON users (email);", "DROP INDEX by_email;"
	switch kind {
	case dialect.Postgres:
		index = "CREATE INDEX CONCURRENTLY by_email ON users (email);"
	case dialect.MariaDB:
		drop = "DROP INDEX by_email ON users;"
	}
	return map[string]string{
		"0007_email.expand.sql": "ALTER TABLE users ADD COLUMN email varchar(100);\n" + index + "\n" +
			"CREATE TABLE mails (id int PRIMARY KEY, text varchar(100));\nINSERT INTO mails VALUES (1, 'hello');\n" +
			"-- +goose Down\nDROP TABLE mails;\n" + drop + "\n-- segue: loses SELECT count(*) FROM users WHERE email LIKE 'new %'\nALTER TABLE users DROP COLUMN email;\n",
		"0007_email.backfill.sql": "-- segue: table=users size=10\nUPDATE users SET email = lower(name) WHERE {{range}} AND email IS NULL;\n" +
			"UPDATE mails SET text = 'filled' WHERE id = 1;\n",
		"0007_email.contract.sql": "CREATE TABLE gone (id int);\nINSERT INTO gone VALUES (1);\nDROP TABLE gone;\nALTER TABLE users DROP COLUMN name;\n",
	}
}

func run(t testing.TB, d *dialect.DB, statement string) {
	t.Helper()
	if _, err := d.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// text asks for one value, as text; an error's class if there is none.
func text(t testing.TB, d *dialect.DB, query string) string {
	t.Helper()
	var v sql.NullString
	err := d.QueryRowContext(t.Context(), query).Scan(&v)
	switch {
	case d.Class(err) == dialect.Gone:
		return "gone"
	case errors.Is(err, sql.ErrNoRows):
		return "none"
	case err != nil:
		t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

// unsafe has the gate let pass what a test of the runner needs.
var unsafe = migrate.Options{Unsafe: []string{"all"}, Who: "test"}

func open(t testing.TB, url string, o migrate.Options) *migrate.Database {
	t.Helper()
	db, err := migrate.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// each runs a test on every database, which is empty.
func each(t *testing.T, test func(t *testing.T, url string, d *dialect.DB)) {
	for name, at := range map[string]func(t *testing.T) string{
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
		"mariadb":  func(t *testing.T) string { return servertest.MariaDBURL(t) },
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := at(t)
			d, err := dialect.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			test(t, url, d)
		})
	}
}

func state(t testing.TB, db *migrate.Database, set migrate.Set) migrate.Status {
	t.Helper()
	st, err := db.Status(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestAChangeGoesThroughItsPhases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 95)
		o := unsafe
		var told []migrate.Progress
		o.Progress = func(p migrate.Progress) { told = append(told, p) }
		db, set := open(t, url, o), files(t, email(d.Kind))
		if st := state(t, db, set); !reflect.DeepEqual(st, migrate.Status{Pending: []string{"0007_email"}}) {
			t.Errorf("before: %+v", st)
		}
		plan, findings, err := db.Plan(t.Context(), set)
		if err != nil || plan == nil || len(plan.Script.Expand) != 4 || plan.ID != 0 {
			t.Fatalf("plan: %+v %v", plan, err)
		}
		_ = findings
		if st := state(t, db, set); st.Open != nil {
			t.Errorf("Plan has begun %+v", st.Open)
		}

		for range 2 { // the second time there is nothing to do
			if err := db.Expand(t.Context(), set, false); err != nil {
				t.Fatal(err)
			}
		}
		if st := state(t, db, set); st.Open == nil || st.Open.State != migrate.Expanded || st.Open.Who != "test" || len(st.Open.Steps) != 4 {
			t.Errorf("expanded: %+v", st.Open)
		}
		if got := text(t, d, "SELECT count(*) FROM users WHERE email IS NULL"); got != "95" {
			t.Errorf("%s rows without email before the backfill", got)
		}
		for range 2 {
			if err := db.Backfill(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if st := state(t, db, set); st.Open.State != migrate.Ready || st.Open.Ready.IsZero() {
			t.Errorf("backfilled: %+v", st.Open)
		}
		if got := text(t, d, "SELECT count(*) FROM users WHERE email = lower(name)"); got != "95" {
			t.Errorf("%s rows have the right email", got)
		}
		for range 2 {
			if err := db.Contract(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		st := state(t, db, set)
		if st.Open != nil || !slices.Equal(st.Applied, []string{"0007_email"}) || st.Pending != nil || len(st.Last) != 1 || st.Last[0].State != migrate.Done {
			t.Errorf("contracted: %+v", st)
		}
		if got := text(t, d, "SELECT max(name) FROM users"); got != "gone" {
			t.Errorf("the old column is %s", got)
		}
		if len(told) == 0 || told[len(told)-1].Phase != migrate.Contract || told[len(told)-1].Of != 4 {
			t.Errorf("told: %+v", told)
		}
	})
}

func TestRollbackTakesBackWhatWasAddedUnlessValuesAreLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 20)
		db, set := open(t, url, unsafe), files(t, email(d.Kind))
		for range 2 { // back and forth
			if err := errors.Join(db.Expand(t.Context(), set, false), db.Backfill(t.Context())); err != nil {
				t.Fatal(err)
			}
			run(t, d, "DELETE FROM mails")
			run(t, d, "UPDATE users SET email = 'new one' WHERE id = 3")
			var lost *migrate.LossError
			if err := db.Rollback(t.Context(), false); !errors.As(err, &lost) || len(lost.Losses) != 1 || lost.Losses[0].Rows != 1 {
				t.Fatalf("%v: want the loss of one row", err)
			}
			run(t, d, "UPDATE users SET email = 'x' WHERE id = 3")
			if err := db.Rollback(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if got := text(t, d, "SELECT max(email) FROM users"); got != "gone" {
				t.Errorf("the new column is %s", got)
			}
			if st := state(t, db, set); st.Open != nil || st.Last[0].State != migrate.Undone || len(st.Pending) != 1 {
				t.Errorf("rolled back: %+v", st)
			}
		}
	})
}

func TestAStatementThatFailsForGoodTakesTheChangeBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 20)
		broken := email(d.Kind)
		broken["0007_email.expand.sql"] = strings.Replace(broken["0007_email.expand.sql"], "INSERT INTO mails", "INSERT INTO nowhere", 1)
		db := open(t, url, unsafe)
		err := db.Expand(t.Context(), files(t, broken), false)
		if err == nil || !strings.Contains(err.Error(), "expand of 0007_email, step 4 of 4 (INSERT INTO nowhere)") || !strings.Contains(err.Error(), "taken back") {
			t.Fatal(err)
		}
		for _, q := range []string{"SELECT max(email) FROM users", "SELECT 1 FROM mails"} {
			if got := text(t, d, q); got != "gone" {
				t.Errorf("%s: %s", q, got)
			}
		}
		// The rows are not what a backfill takes them for.
		broken = email(d.Kind)
		broken["0007_email.backfill.sql"] += "INSERT INTO users (id, name) VALUES (1, 'twice');\n"
		if err := db.Expand(t.Context(), files(t, broken), false); err != nil {
			t.Fatal(err)
		}
		if err := db.Backfill(t.Context()); err == nil || !strings.Contains(err.Error(), "backfill of 0007_email, step 3 of 3") {
			t.Fatal(err)
		}
		if got := text(t, d, "SELECT max(email) FROM users"); got != "gone" {
			t.Errorf("the new column is %s", got)
		}
		if err := db.Expand(t.Context(), files(t, email(d.Kind)), false); err != nil {
			t.Error(err)
		}
	})
}

func TestAnIdleDatabaseBringsAllButTheNewestToTheirEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		set := files(t, map[string]string{
			"1_users.expand.sql":   "CREATE TABLE users (id int PRIMARY KEY, name varchar(100));\nINSERT INTO users VALUES (1, 'A');",
			"2_b.expand.sql":       "ALTER TABLE users ADD COLUMN b varchar(100);",
			"2_b.backfill.sql":     "-- segue: table=users\nUPDATE users SET b = name WHERE {{range}};",
			"2_b.contract.sql":     "ALTER TABLE users DROP COLUMN name;",
			"10_last.expand.sql":   "ALTER TABLE users ADD COLUMN c int;",
			"10_last.contract.sql": "ALTER TABLE users DROP COLUMN b;",
		})
		db := open(t, url, migrate.Options{})
		if err := db.Expand(t.Context(), set, true); err != nil {
			t.Fatal(err)
		}
		st := state(t, db, set)
		if !slices.Equal(st.Applied, []string{"1_users", "2_b"}) || st.Open == nil || st.Open.State != migrate.Expanded || st.Open.Migrations[0] != "10_last" {
			t.Errorf("%+v", st)
		}
		if got := text(t, d, "SELECT b FROM users WHERE id = 1"); got != "A" {
			t.Errorf("b is %q", got)
		}
		if err := errors.Join(db.Expand(t.Context(), set, true), db.Backfill(t.Context())); err != nil {
			t.Fatal(err)
		}
		// Now somebody is: that is not believed any more.
		more := files(t, map[string]string{"11_d.expand.sql": "ALTER TABLE users DROP COLUMN c;", "12_e.expand.sql": "CREATE TABLE e (id int);"})
		if err := db.Expand(t.Context(), append(slices.Clone(set), more...), true); err == nil || !strings.Contains(err.Error(), "10_last waits for its contract") {
			t.Error(err)
		}
	})
}

func TestADatabaseWithTablesIsNotTakenForIdle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 3)
		set := files(t, map[string]string{"1_b.expand.sql": "ALTER TABLE users ADD COLUMN b int;", "1_b.contract.sql": "ALTER TABLE users DROP COLUMN name;",
			"2_c.expand.sql": "ALTER TABLE users ADD COLUMN c int;"})
		if err := open(t, url, migrate.Options{}).Expand(t.Context(), set, true); err != nil {
			t.Fatal(err)
		}
		if got := text(t, d, "SELECT name FROM users WHERE id = 1"); got != "User 1" {
			t.Errorf("what the running program needs is %s", got)
		}
	})
}

var _ = time.Second
