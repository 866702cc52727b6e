package gate

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// single gives the one finding of a check.
func single(t *testing.T, found []Finding) Finding {
	t.Helper()
	if len(found) != 1 {
		t.Fatalf("%d findings: %+v", len(found), found)
	}
	return found[0]
}

func TestAFindingSaysWhereAndWhatAndHow(t *testing.T) {
	sql := "-- a comment\n-- of two lines\nALTER TABLE users\n  ADD COLUMN a int,\n  DROP COLUMN name;"
	f := single(t, Check(Postgres, []Statement{{Migration: "0007_x", File: "0007_x.expand.sql", Line: 10, Phase: script.Expand, SQL: sql}}))
	if f.Migration != "0007_x" || f.File != "0007_x.expand.sql" || f.Line != 14 || f.Rule != "drop-column" || !f.Refused {
		t.Errorf("%+v", f)
	}
	if f.Statement != "ALTER TABLE users ADD COLUMN a int, DROP COLUMN name" {
		t.Errorf("statement: %s", f.Statement)
	}
	if !strings.Contains(f.Why, "reads and writes the column") || !strings.Contains(f.Safe, "in contract") || !strings.Contains(f.Safe, "drop_column") {
		t.Errorf("why: %s\nsafe: %s", f.Why, f.Safe)
	}
}

func TestARuleIsSetAside(t *testing.T) {
	const drop = "ALTER TABLE users DROP COLUMN name"
	for name, test := range map[string]struct {
		sql     string
		options []string
		refused bool
		unsafe  string
	}{
		"by nobody":                        {drop, nil, true, ""},
		"by a comment":                     {"-- segue: unsafe drop-column nobody reads it\n" + drop, nil, false, "nobody reads it"},
		"by a comment in /* */":            {"/* segue: unsafe drop-column nobody reads it */ " + drop, nil, false, "nobody reads it"},
		"of another rule":                  {"-- segue: unsafe drop-table nobody reads it\n" + drop, nil, true, ""},
		"by the options":                   {drop, []string{"drop-column"}, false, "set aside by whoever runs it"},
		"all by the options":               {drop, []string{"all"}, false, "set aside by whoever runs it"},
		"another by the options":           {drop, []string{"drop-table"}, true, ""},
		"by a comment with a word of ours": {"-- segue: key=id\n-- segue: unsafe drop-column nobody reads it\n" + drop, nil, false, "nobody reads it"},
	} {
		t.Run(name, func(t *testing.T) {
			f := single(t, Check(Postgres, []Statement{{Phase: script.Expand, Line: 1, SQL: test.sql}}, test.options...))
			if f.Refused != test.refused || f.Unsafe != test.unsafe {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestACommentThatDoesNotSayWhySetsNothingAside(t *testing.T) {
	for _, sql := range []string{
		"-- segue: unsafe drop-column\nALTER TABLE users DROP COLUMN name",
		"-- segue: unsafe\nALTER TABLE users DROP COLUMN name",
		"-- segue: unsafe drop-colum nobody reads it\nALTER TABLE users DROP COLUMN name",
		"-- segue: unsafe unsafe-comment for fun\nALTER TABLE users DROP COLUMN name",
		"ALTER TABLE users DROP COLUMN name -- segue: unsafe drop-column nobody reads it",
	} {
		var refused []string
		for _, f := range Check(Postgres, []Statement{{Phase: script.Expand, SQL: sql}}) {
			if f.Refused {
				refused = append(refused, f.Rule)
			}
		}
		if !slices.Equal(refused, []string{"unsafe-comment", "drop-column"}) {
			t.Errorf("%q: %v", sql, refused)
		}
	}
}

func TestAFindingShowsNoPassword(t *testing.T) {
	for kind, sql := range map[Kind]string{
		Postgres: "CREATE ROLE shop LOGIN PASSWORD 'geheim'; DROP TABLE users",
		MariaDB:  `ALTER USER shop IDENTIFIED BY "geheim"`,
	} {
		found := Check(kind, []Statement{{Phase: script.Expand, SQL: sql}})
		if len(found) == 0 {
			t.Fatal("nothing is found")
		}
		for _, f := range found {
			if strings.Contains(f.Statement+f.Why+f.Safe, "geheim") {
				t.Errorf("%+v", f)
			}
		}
	}
}

func TestUndoIsNotJudged(t *testing.T) {
	if found := Check(Postgres, []Statement{{Phase: script.Undo, SQL: "DROP TABLE users"}}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

func TestWhatAnEarlierMigrationMakesIsFreeInALaterOne(t *testing.T) {
	make := Statement{Migration: "0001_a", Phase: script.Expand, SQL: `CREATE TABLE public."Notes" (a bigint)`}
	index := Statement{Migration: "0002_b", Phase: script.Expand, SQL: `CREATE INDEX i ON "Notes" (a)`}
	if found := Check(Postgres, []Statement{make, index}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	index.SQL = "CREATE INDEX i ON notes (a)" // another table
	if f := single(t, Check(Postgres, []Statement{make, index})); f.Rule != "create-index-blocks" {
		t.Errorf("%+v", f)
	}
	index.SQL, index.Phase = `CREATE INDEX i ON "Notes" (a)`, script.Backfill // rows have come in
	if f := single(t, Check(Postgres, []Statement{make, index})); f.Rule != "create-index-blocks" {
		t.Errorf("%+v", f)
	}
}

func TestATypeThatOnlyTakesMoreIsLetThrough(t *testing.T) {
	for _, test := range []struct {
		from, to string
		passes   bool
	}{
		{"character varying(40)", "varchar(80)", true},
		{"character varying(40)", "character varying(40)", true},
		{"character varying(40)", "VARCHAR", true},
		{"character varying(40)", "text", true},
		{"character varying", "text", true},
		{"text", "varchar", true},
		{"numeric(10,2)", "numeric(12, 2)", true},
		{"numeric(10,0)", "decimal(12)", true},
		{"numeric(10,2)", "numeric", true},
		{"character varying(40)", "varchar(39)", false},
		{"character varying", "varchar(80)", false},
		{"text", "varchar(80)", false},
		{"integer", "text", false},
		{"integer", "bigint", false},
		{"numeric(10,2)", "numeric(12,3)", false},
		{"numeric(10,2)", "numeric(12)", false},
		{"numeric(10,2)", "text", false},
		{"", "text", false},
		{"character varying(40)", "text USING lower(name)", false},
		{"character varying(40)", `text COLLATE "C"`, false},
		{"character varying(40)", "text[]", false},
	} {
		types := func(table, column string) string {
			if table != "users" || column != "name" {
				t.Errorf("asked for %s.%s", table, column)
			}
			return test.from
		}
		for _, phase := range []script.Phase{script.Expand, script.Contract} {
			sql := "ALTER TABLE users ALTER COLUMN name TYPE " + test.to
			if found := CheckOn(Postgres, types, []Statement{{Phase: phase, SQL: sql}}); (len(found) == 0) != test.passes {
				t.Errorf("%s to %s: %+v", test.from, test.to, found)
			}
		}
	}
}

func TestWhatContractMakesIsFreeInContract(t *testing.T) {
	change := []Statement{
		{Phase: script.Expand, SQL: "CREATE TABLE notes (a bigint)"},
		{Phase: script.Contract, SQL: "CREATE TABLE rest (a bigint)"},
		{Phase: script.Contract, SQL: "CREATE INDEX rest_a ON rest (a)"},
		{Phase: script.Contract, SQL: "CREATE INDEX notes_a ON notes (a)"},
	}
	if f := single(t, Check(Postgres, change)); f.Rule != "create-index-blocks" || !strings.Contains(f.Statement, "notes_a") {
		t.Errorf("%+v", f)
	}
}

// TestNothingHides: what a quick look takes for harmless.
func TestNothingHides(t *testing.T) {
	for _, test := range []struct {
		kind Kind
		sql  string
		rule string
	}{
		{Postgres, "CREATE TABLE a (i int); DROP TABLE users", "drop-table"},
		{Postgres, "COMMENT ON TABLE users IS 'a'';'; DROP TABLE users", "drop-table"},
		{Postgres, `COMMENT ON TABLE users IS E'\''; DROP TABLE users -- '`, "drop-table"},
		{Postgres, `COMMENT ON TABLE users IS '\'; DROP TABLE users -- '`, "drop-table"},
		{Postgres, "/* /* nested */ */ DROP TABLE users", "drop-table"},
		{Postgres, "DO $a$ $b$ $a$; DROP TABLE users -- $a$", "drop-table"},
		{Postgres, "CREATE TABLE a (i int) $x; DROP TABLE users", "drop-table"},
		{Postgres, `drop table "users"`, "drop-table"},
		{Postgres, "CREATE TABLE scratch (i int); DROP TABLE scratch, users", "drop-table"},
		{Postgres, "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone", "change-rows-at-once"},
		{Postgres, "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1; DROP TABLE users", "drop-table"},
		{Postgres, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; DROP TABLE users", "drop-table"},
		{Postgres, "ALTER TABLE IF EXISTS ONLY public.users ADD a int, DROP name", "drop-column"},
		{Postgres, "ALTER TABLE users ADD a numeric(10,2) NOT NULL", "add-not-null-without-default"},
		{Postgres, "ALTER TABLE users ADD a int NOT NULL DEFAULT NULL", "add-not-null-without-default"},
		{Postgres, "ALTER TABLE users ADD a text DEFAULT 'x' || my.now()", "add-volatile-default"},
		{Postgres, `ALTER TABLE users ADD a text DEFAULT "now"()::varchar(20)`, "add-volatile-default"},
		{Postgres, "CREATE SCHEMA a CREATE TABLE b (i int)", "unknown-statement"},
		{Postgres, "INSERT INTO users VALUES ((SELECT max(id) FROM orders))", "change-rows-at-once"},
		{Postgres, "SELECT pg_catalog.set_config('lock_timeout', '0', false)", "session-setting"},
		{Postgres, `COMMENT ON TABLE users IS U&'\0027'`, "unreadable"},
		{Postgres, "CREATE TABLE a (i int", "unreadable"},
		{Postgres, "DROP TABLE users\x00", "unreadable"},
		{Postgres, "DROP\u00a0TABLE users", "unknown-statement"},
		{MariaDB, `CREATE TABLE a (i int) COMMENT='it\'s'; DROP TABLE users -- '`, "drop-table"},
		{MariaDB, "CREATE TABLE a (i int) COMMENT=\"a';\"; DROP TABLE users", "drop-table"},
		{MariaDB, "/*!50000 DROP TABLE */ users", "drop-table"},
		{MariaDB, "/*M!100300 DROP */ TABLE users", "drop-table"},
		{MariaDB, "CREATE TABLE a (i int) --1; DROP TABLE users", "several-statements"},
		{MariaDB, "ALTER TABLE users ADD COLUMN (a int, b int NOT NULL)", "add-not-null-without-default"},
		{MariaDB, "SET STATEMENT max_statement_time=1 FOR DROP TABLE users", "drop-table"},
		{MariaDB, "ANALYZE UPDATE users SET n = 1", "unknown-statement"},
		{MariaDB, "CREATE OR REPLACE INDEX i ON users (n)", "drop-index"},
		{MariaDB, "RENAME TABLE a TO b, users TO people", "rename-table"},
		{SQLite, "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; DROP TABLE users", "drop-table"},
		{SQLite, "CREATE TABLE [a;] (i); DROP TABLE `users`", "drop-table"},
	} {
		found := Check(test.kind, []Statement{{Phase: script.Expand, SQL: test.sql}})
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == test.rule && f.Refused }) {
			t.Errorf("%s: %s is not found in %q; but %v", test.kind, test.rule, test.sql, names(found))
		}
	}
}

// TestRulesThatAreReportedExist: a name that is misspelt would be found by a panic,
// when it is too late.
func TestRulesThatAreReportedExist(t *testing.T) {
	reported := regexp.MustCompile(`(?:report|concurrent|alterTail)\([^"\n]*"([a-z-]+)"(?:, "([a-z-]+)")?|", "([a-z-]+)", (?:tableOf|prefixed|nil)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reported.FindAllStringSubmatch(string(data), -1) {
			for _, name := range m[1:] {
				if name != "" && !Known(name) {
					t.Errorf("%s reports %s, which is no rule", file, name)
				}
				seen[name] = true
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d names were found: the pattern is out of date", len(seen))
	}
}

func TestRulesReadAlike(t *testing.T) {
	names := map[string]bool{}
	for _, r := range Rules() {
		if names[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		names[r.Name] = true
		if r.Why == "" || strings.HasSuffix(r.Why, ".") || r.What == "" || len(r.Kinds) == 0 || len(r.Phases) == 0 {
			t.Errorf("%s: %+v", r.Name, r)
		}
		for _, k := range r.Kinds {
			if !strings.HasSuffix(r.safe(k), ".") {
				t.Errorf("%s: the safe way does not end with a period: %s", r.Name, r.safe(k))
			}
		}
	}
}
