package versions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// version takes a change up to where both releases work.
func (w *world) version(name string, ops ...operation.Operation) script.Script {
	w.t.Helper()
	s := w.compile(name, ops...)
	w.run(s, script.Expand)
	w.run(s, script.Backfill)
	return s
}

func (w *world) is(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}

func retype(table, column, kind, up, down string) operation.Operation {
	return &operation.AlterColumn{Table: table, Column: column, Type: kind, Up: up, Down: down}
}

func TestAViewIsWrittenToLikeATable(t *testing.T) {
	w := newWorld(t, `CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TABLE "Odd ""names""" (id serial PRIMARY KEY, "E-mail" text NOT NULL UNIQUE, n int DEFAULT 5, m mood DEFAULT 'ok',
			twice int GENERATED ALWAYS AS (n * 2) STORED, note text DEFAULT 'old');
		CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
		CREATE TABLE keyless (a int, b text)`)
	s := w.version("0001_odd",
		retype(`Odd "names"`, "E-mail", "varchar(80)", `upper("E-mail")`, `lower("E-mail")`),
		&operation.AlterColumn{Table: `Odd "names"`, Column: "note", Default: operation.Nullable{Set: true, Null: true}},
		&operation.AddColumn{Table: "keyless", Up: "a + 1", Column: operation.Column{Name: "c", Type: "int", Nullable: true}},
	)
	db := w.open(s.Schema)
	odd := `"Odd ""names"""`
	w.is(t, w.value(db, `INSERT INTO `+odd+` ("E-mail") VALUES ('A@B') RETURNING id || "E-mail" || n || m || coalesce(note, '-')`), "1A@B5ok-")
	w.is(t, w.value(db, `INSERT INTO `+odd+` ("E-mail", n) VALUES ('A@B', 9) ON CONFLICT ("E-mail") DO UPDATE SET n = excluded.n RETURNING id || ' ' || n`), "1 9")
	w.is(t, w.value(db, `SELECT twice FROM `+odd), "18")
	w.is(t, w.value(db, `INSERT INTO `+odd+` VALUES (DEFAULT, 'C@D') RETURNING lastval() = id AND currval((SELECT oid FROM pg_class WHERE relname LIKE 'Odd%seq')::regclass) = id`), "true")
	old := w.open("")
	w.is(t, w.value(old, `SELECT string_agg("E-mail", ',' ORDER BY id) FROM `+odd), "a@b,c@d")
	w.is(t, w.value(old, `INSERT INTO `+odd+` ("E-mail") VALUES ('e@f') ON CONFLICT ("E-mail") DO NOTHING RETURNING note`), "old")
	w.is(t, w.value(db, `INSERT INTO counted (name) VALUES ('x') RETURNING id`), "1")
	w.is(t, w.value(db, `WITH x AS (SELECT * FROM counted FOR UPDATE) SELECT count(*) FROM x`), "1")
	must(t, old, `INSERT INTO keyless VALUES (1, 'b')`)
	w.is(t, w.value(db, `SELECT a || b || c FROM keyless`), "1b2")
	w.is(t, strings.Join(w.list(db, `SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name LIKE 'Odd%' ORDER BY ordinal_position`), " "),
		"id E-mail n m twice note")
	w.run(s, script.Contract)
	w.is(t, w.value(db, `INSERT INTO `+odd+` ("E-mail") VALUES ('G@H') RETURNING "E-mail" || coalesce(note, '-')`), "G@H-")
	w.is(t, w.value(w.admin, `SELECT count(*) FROM `+odd+` WHERE "E-mail" = 'A@B'`), "1")
}

func TestEachVersionShowsColumnsInTheirOldPlaces(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (a int PRIMARY KEY, b int, c int); CREATE TABLE other (x int)`)
	s := w.version("0001", retype("t", "b", "bigint", "b", "b"))
	w.run(s, script.Contract)
	s = w.version("0002", &operation.RenameColumn{Table: "other", From: "x", To: "y"})
	order := `SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0`
	w.is(t, w.value(w.open(s.Schema), order), "a b c")
	w.run(s, script.Contract)
	if schemas := w.list(w.admin, `SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'public%' ORDER BY 1`); !slices.Equal(schemas, []string{"public", "public_0002"}) {
		t.Errorf("schemas are %v", schemas)
	}
	s = w.version("0003", retype("t", "c", "text", "c", "c::int"))
	w.is(t, w.value(w.open(s.Schema), order), "a b c")
	old, fresh := w.open("public_0002"), w.open(s.Schema)
	must(t, old, `INSERT INTO t VALUES (1, 2, 3)`)
	must(t, fresh, `INSERT INTO t VALUES (4, 5, '6')`)
	w.is(t, w.value(fresh, `SELECT string_agg(c, ',' ORDER BY a) FROM t`), "3,6")
	w.is(t, w.value(old, `SELECT sum(c) FROM t`), "9")
}

func TestAPrimaryKeyBecomesBigint(t *testing.T) {
	for _, kind := range []string{"serial", "int GENERATED ALWAYS AS IDENTITY"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, fmt.Sprintf(`CREATE TABLE users (id %s PRIMARY KEY, name text, boss int REFERENCES users);
				CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE);
				INSERT INTO users (name) SELECT 'u' || i FROM generate_series(1, 20) i; INSERT INTO orders SELECT i, i FROM generate_series(1, 20) i`, kind))
			before := w.definition("public")
			s := w.version("0001", retype("users", "id", "bigint", "id", "id"))
			old, fresh := w.open(""), w.open(s.Schema)
			w.is(t, w.value(fresh, `INSERT INTO users (name) VALUES ('new') RETURNING id = lastval()`), "true")
			w.is(t, w.value(old, `INSERT INTO users (name, boss) VALUES ('old', 3) RETURNING id = lastval()`), "true")
			must(t, fresh, `INSERT INTO orders SELECT 100 + id, id FROM users WHERE name IN ('old', 'new'); DELETE FROM users WHERE id = 5`)
			w.is(t, w.value(old, `SELECT count(*) FROM orders`), "21")
			w.run(s, script.Undo)
			if after := w.definition("public"); !slices.Equal(before, after) {
				t.Errorf("undo left %s", strings.Join(after, "\n"))
			}
			s = w.version("0001", retype("users", "id", "bigint", "id", "id"))
			w.run(s, script.Contract)
			must(t, fresh, `INSERT INTO users (name) VALUES ('last'); DELETE FROM users WHERE id = 6`)
			w.is(t, w.value(fresh, `SELECT count(*) || ' ' || (SELECT count(*) FROM orders) || ' ' || (max(id) < 40) FROM users`), "21 20 true")
			want := slices.Clone(before)
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "users.id integer", "users.id bigint")
				want[i] = strings.ReplaceAll(want[i], "users_id_seq integer", "users_id_seq bigint")
			}
			if got := w.definition("public"); !slices.Equal(got, want) {
				t.Errorf("contract came to\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestRightsAndPoliciesHoldThroughViews(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, who text, v int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON t USING (who = current_user)`)
	role := "app_" + w.value(w.admin, `SELECT current_database()`)
	w.exec(fmt.Sprintf(`CREATE ROLE %[1]s; GRANT SELECT, UPDATE ON t TO %[1]s; GRANT INSERT (id, v) ON t TO %[1]s; INSERT INTO t VALUES (1, '%[1]s', 1), (2, 'other', 2)`, role))
	t.Cleanup(func() { // roles are the server's, and outlive the database
		if _, err := w.admin.ExecContext(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	s := w.version("0001", retype("t", "v", "text", "v", "v::int"))
	as := w.open(s.Schema)
	as.SetMaxOpenConns(1)
	must(t, as, "SET ROLE "+role)
	w.is(t, w.value(as, `SELECT string_agg(v, ',') FROM t`), "1")
	must(t, as, `UPDATE t SET v = '7'`)
	if _, err := as.ExecContext(t.Context(), `INSERT INTO t (id, who) VALUES (9, 'x')`); err == nil {
		t.Error("a right on columns became one on all of them")
	}
	w.is(t, w.value(w.admin, `SELECT string_agg(v::text, ',' ORDER BY id) FROM t`), "7,2")
	w.is(t, w.value(w.admin, fmt.Sprintf(`SELECT has_column_privilege('%s', '%s.t', 'v', 'INSERT')`, role, ident(s.Schema))), "true")
}

func TestOtherTriggersKeepTheirWork(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, name text, changed int NOT NULL DEFAULT 0);
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := NEW.changed + 1; NEW.name := trim(NEW.name); RETURN NEW; END $$;
		CREATE TRIGGER zz_touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
		INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 12) i`)
	s := w.version("0001", &operation.AddColumn{Table: "t", Up: "upper(name)", Column: operation.Column{Name: "loud", Type: "text", Nullable: true}})
	w.is(t, w.value(w.admin, `SELECT sum(changed) FROM t`), "0")
	must(t, w.admin, `UPDATE t SET name = ' x ' WHERE id = 3`)
	w.is(t, w.value(w.open(s.Schema), `SELECT string_agg(loud, ',' ORDER BY id) FROM t WHERE id IN (2, 3)`), "N2,X")
}

func TestAWriterIsKnownByItsFirstSchemaThatExists(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, n int)`)
	s := w.version("0001", retype("t", "n", "text", "'up ' || n", "length(n)"))
	db := w.open("")
	db.SetMaxOpenConns(1)
	for path, want := range map[string]string{
		`"$user", nowhere, "public_0001", public, pg_catalog`: "3:new",
		`public_0001,public`:  "3:new",
		`public, public_0001`: "7:up 7",
	} {
		must(t, db, "SET search_path = "+path)
		value := "'new'"
		if strings.HasPrefix(path, "public,") {
			value = "7"
		}
		must(t, db, "INSERT INTO t VALUES (1, "+value+")")
		w.is(t, w.value(w.admin, `SELECT n || ':' || "_segue_new_n" FROM t`), want)
		must(t, db, "DELETE FROM t")
	}
	w.run(s, script.Undo)
}

func TestPartitionsAreConvertedThroughTheirTable(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int, at date, n int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE t_a PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); INSERT INTO t SELECT i, '2026-05-05', i FROM generate_series(1, 9) i`)
	s := w.version("0001", retype("t", "n", "text", "n", "n::int"))
	fresh := w.open(s.Schema)
	must(t, fresh, `INSERT INTO t VALUES (10, '2026-06-06', '10')`)
	must(t, w.admin, `INSERT INTO t_a VALUES (11, '2026-06-06', 11)`)
	w.is(t, w.value(fresh, `SELECT sum(n::int) FROM t`), "66")
	w.is(t, w.value(w.admin, `SELECT sum(n) FROM t`), "66")
	if _, err := w.try("0002", retype("t", "id", "bigint", "id", "id")); err == nil || !strings.Contains(err.Error(), "partition") {
		t.Errorf("a key of a partitioned table is replaced: %v", err)
	}
	w.run(s, script.Contract)
	w.is(t, w.value(fresh, `SELECT sum(n::int) FROM t`), "66")
}

func TestWhatAnExpressionCannotConvertNamesItsMigration(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, n text); INSERT INTO t VALUES (1, 'x')`)
	s := w.compile("0007_numbers", retype("t", "n", "int", "n::int", "n::text"))
	w.run(s, script.Expand)
	err := w.tryRun(s, script.Backfill)
	if err == nil || !strings.Contains(fmt.Sprint(where(err)), "migration 0007_numbers") {
		t.Errorf("%v (%v)", err, where(err))
	}
	w.run(s, script.Undo)
}

func TestNamesOf63Bytes(t *testing.T) {
	long := strings.Repeat("ü", 31)
	w := newWorld(t, fmt.Sprintf(`CREATE TABLE %[1]q (id int PRIMARY KEY, %[1]q int, CONSTRAINT "%[1]sc" CHECK (%[1]q > 0)); INSERT INTO %[1]q VALUES (1, 1)`, long))
	s := w.version("0001_"+long, retype(long, long, "bigint", long, long),
		&operation.AddColumn{Table: long, Up: "1", Column: operation.Column{Name: long[:60] + "x", Type: "int"}})
	if len(s.Schema) > longest {
		t.Errorf("schema %s", s.Schema)
	}
	must(t, w.open(s.Schema), fmt.Sprintf(`INSERT INTO %[1]q VALUES (2, 2, 2)`, long))
	w.run(s, script.Contract)
	w.is(t, w.value(w.open(s.Schema), fmt.Sprintf(`SELECT sum(%[1]q) FROM %[1]q`, long)), "3")
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, a text, b text NOT NULL, c int); CREATE VIEW seen AS SELECT a FROM t;
		CREATE TABLE r (t_id int REFERENCES t)`)
	for _, k := range []struct {
		name, want string
		ops        []operation.Operation
	}{
		{"no table", "there is no table tt in schema public (is t meant?)", []operation.Operation{&operation.DropColumn{Table: "tt", Column: "a"}}},
		{"no column", "table t has no column B (is b meant?)", []operation.Operation{&operation.DropColumn{Table: "t", Column: "B"}}},
		{"hanging", "view seen", []operation.Operation{&operation.DropColumn{Table: "t", Column: "a"}}},
		{"referred to", "foreign key r_t_id_fkey", []operation.Operation{&operation.DropColumn{Table: "t", Column: "id", Down: "0"}}},
		{"no down", "say by down", []operation.Operation{&operation.DropColumn{Table: "t", Column: "b"}}},
		{"no up", "say by up", []operation.Operation{&operation.AlterColumn{Table: "t", Column: "c", Nullable: no()}}},
		{"not null", "nullable: true", []operation.Operation{&operation.AddColumn{Table: "t", Column: operation.Column{Name: "d", Type: "int"}}}},
		{"renamed", "column t.c is called d since", []operation.Operation{
			&operation.RenameColumn{Table: "t", From: "c", To: "d"}, &operation.DropColumn{Table: "t", Column: "c"}}},
		{"taken", "has a column b already", []operation.Operation{&operation.RenameColumn{Table: "t", From: "c", To: "b"}}},
	} {
		if _, err := w.try("0001", k.ops...); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

// TestUndoIsOfMigrationsThatWereBegun holds what is taken back for all migrations to
// being nobody's, or that one's whose step is run first: a runner leaves out migrations
// that it has not begun.
func TestUndoIsOfMigrationsThatWereBegun(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, a int, b int)`)
	var ms []Migration
	for i, op := range []operation.Operation{
		&operation.AlterColumn{Table: "t", Column: "a", Nullable: no(), Up: "coalesce(a, 0)"},
		&operation.CreateIndex{Table: "t", Name: "by_b", Columns: []operation.IndexField{{Column: "b"}}},
		&operation.RenameColumn{Table: "t", From: "b", To: "c"},
	} {
		ms = append(ms, Migration{Name: fmt.Sprintf("000%d", i+1), File: "x", Ops: []operation.Operation{op}})
	}
	s, err := Compile(t.Context(), w.admin, "public", ms, false)
	if err != nil {
		t.Fatal(err)
	}
	first := s.Expand[0].Migration
	for _, step := range s.Undo {
		if step.Migration != "" && step.Migration != first && !strings.Contains(step.SQL, "by_b") {
			t.Errorf("%s is of %s, and the first step of %s", step.Note, step.Migration, first)
		}
	}
}
