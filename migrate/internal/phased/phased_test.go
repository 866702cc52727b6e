package phased

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

func read(t *testing.T, kind dialect.Kind, files ...File) []Statement {
	t.Helper()
	s, err := Read(kind, Migration{"0007_email", files})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatementsBecomeTheStepsOfTheirPhases(t *testing.T) {
	t.Parallel()
	first := read(t, dialect.Postgres,
		File{"e.sql", script.Expand, "ALTER TABLE users ADD COLUMN email text;\nCREATE TABLE m (a int);\n-- +goose Down\nDROP TABLE m;\nALTER TABLE users DROP COLUMN email;"},
		File{"b.sql", script.Backfill, "-- segue: table=users key=org,id size=10\nUPDATE users SET email = 'x' WHERE {{range}};"},
		File{"c.sql", script.Contract, "ALTER TABLE users DROP COLUMN mail;"})
	second := read(t, dialect.Postgres, File{"e2.sql", script.Expand, "CREATE TABLE n (a int);\n-- +goose Down\nDROP TABLE n"})
	s := Script([][]Statement{first, second})
	notes := func(p script.Phase) string {
		var all []string
		for _, s := range s.Steps(p) {
			all = append(all, s.Note)
		}
		return strings.Join(all, "; ")
	}
	for phase, want := range map[script.Phase]string{
		script.Expand:   "ALTER TABLE users ADD COLUMN email text; CREATE TABLE m; CREATE TABLE n",
		script.Backfill: "backfill users",
		script.Contract: "ALTER TABLE users DROP COLUMN mail",
		script.Undo:     "DROP TABLE n; DROP TABLE m; ALTER TABLE users DROP COLUMN email",
	} {
		if got := notes(phase); got != want {
			t.Errorf("%s: %s, want %s", phase, got, want)
		}
	}
	want := script.Batches{Table: "users", Key: []string{"org", "id"}, SQL: "UPDATE users SET email = 'x' WHERE {{range}}", Size: 10}
	if got := *s.Backfill[0].Batches; !reflect.DeepEqual(got, want) {
		t.Errorf("the backfill is %+v, want %+v", got, want)
	}
	if s.Stays != "" || len(s.Lost) != 3 {
		t.Errorf("stays %q, lost %+v: want a way back with three losses", s.Stays, s.Lost)
	}
}

func TestAnIndexMadeConcurrentlyIsAloneAndItsHalfIsRemoved(t *testing.T) {
	t.Parallel()
	s := read(t, dialect.Postgres, File{"e.sql", script.Expand, `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "by mail" ON shop.users (mail);`})[0].Step
	if !s.Alone || !s.Slow || s.Before != `DROP INDEX CONCURRENTLY IF EXISTS shop."by mail"` || !strings.Contains(s.Done, `to_regclass('shop."by mail"')`) {
		t.Errorf("%+v", s)
	}
}

func TestWhatATakingBackLosesIsFound(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"DROP TABLE IF EXISTS a.b":                             {"SELECT count(*) FROM a.b"},
		"ALTER TABLE t DROP COLUMN a, DROP \"b c\"":            {"SELECT count(*) FROM t WHERE a IS NOT NULL", `SELECT count(*) FROM t WHERE "b c" IS NOT NULL`},
		"ALTER TABLE `t` DROP CONSTRAINT c, DROP COLUMN `a`":   {"SELECT count(*) FROM `t` WHERE `a` IS NOT NULL"},
		"ALTER TABLE t DROP INDEX i":                           nil,
		"ALTER TABLE t ALTER COLUMN c DROP NOT NULL":           nil,
		"DROP TRIGGER a ON t":                                  nil,
		"ALTER TABLE IF EXISTS t DROP COLUMN IF EXISTS a":      {"SELECT count(*) FROM t WHERE a IS NOT NULL"},
		"ALTER TABLE t ALTER a DROP DEFAULT, DROP FOREIGN KEY": nil,
	} {
		var got []string
		for _, l := range losses(body) {
			got = append(got, l.Count)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestWhatIsNotUnderstoodIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phase      script.Phase
		text, want string
	}{
		{script.Backfill, "\nUPDATE t SET a = 1 WHERE {{range}}", "f.sql:2: {{range}} needs to know the table"},
		{script.Backfill, "-- segue: table=t\nUPDATE t SET a = 1", "f.sql:1: the statement has no {{range}}"},
		{script.Backfill, "-- segue: key=id\nUPDATE t SET a = 1 WHERE {{range}}", "f.sql:1: a backfill needs to know its table"},
		{script.Backfill, "-- segue: table=t size=many\nUPDATE t", `f.sql:1: "size=many" is not understood`},
		{script.Expand, "-- segue: table=t\nUPDATE t", "f.sql:1: -- segue: table=t is not known here"},
		{script.Expand, "a;\n-- segue: please\nb", "f.sql:2: -- segue: please is not known here"},
		{script.Contract, "a;\n-- +goose Down\nb", "f.sql:3: contract has no Down"},
		{script.Expand, "-- nothing", "f.sql:1: there is no statement in it"},
		{script.Expand, "a;\n'", "f.sql:2: what begins here"},
	} {
		_, err := Read(dialect.Postgres, Migration{"m", []File{{"f.sql", c.phase, c.text}}})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestASummaryHasNoValues(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"INSERT INTO roles VALUES ('secret')":        "INSERT INTO roles",
		"UPDATE users SET token = 'secret'":          "UPDATE users",
		"ALTER ROLE app PASSWORD 'secret'":           "ALTER ROLE app PASSWORD",
		"CREATE INDEX\n  i ON t (a)":                 "CREATE INDEX i ON t",
		"ALTER TABLE t ADD COLUMN a int DEFAULT 'x'": "ALTER TABLE t ADD COLUMN a int DEFAULT",
	} {
		if got := summary(body); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
