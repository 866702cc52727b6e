package versions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A world is a database of a test's own, with the connections of two releases.
type world struct {
	t     testing.TB
	url   string
	admin *sql.DB
}

func newWorld(t testing.TB, setup string) *world {
	t.Helper()
	w := &world{t: t, url: servertest.PostgresURL(t)}
	w.admin = w.open("")
	w.exec(setup)
	return w
}

// open connects as a release that finds schema first.
func (w *world) open(schema string) *sql.DB {
	w.t.Helper()
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	q := u.Query()
	q.Set("default_query_exec_mode", "exec") // a view that is replaced has no plan here
	if schema != "" {
		q.Set("search_path", fmt.Sprintf("%q, public", schema))
	}
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// exec runs statements that have to work.
func (w *world) exec(sql string) {
	w.t.Helper()
	must(w.t, w.admin, sql)
}

func must(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if strings.TrimSpace(statement) == "" {
		return
	}
	ctx := t.Context()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := simple(ctx, conn, statement); err != nil {
		t.Fatalf("%s\n%v", statement, err)
	}
}

// compile compiles operations as the migration of a name.
func (w *world) compile(name string, ops ...operation.Operation) script.Script {
	w.t.Helper()
	s, err := w.try(name, ops...)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) try(name string, ops ...operation.Operation) (script.Script, error) {
	return Compile(w.t.Context(), w.admin, "public", []Migration{{Name: name, File: name + ".yaml", Ops: ops}}, false)
}

// run runs a phase, as the runner of package migrate does.
func (w *world) run(s script.Script, p script.Phase) {
	w.t.Helper()
	if err := w.tryRun(s, p); err != nil {
		w.t.Fatalf("%s: %v", p, err)
	}
}

func (w *world) tryRun(s script.Script, p script.Phase) error {
	ctx := w.t.Context()
	conn, err := w.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	open := false
	for _, step := range s.Steps(p) {
		if err := w.step(ctx, conn, step, &open); err != nil {
			_ = simple(ctx, conn, "ROLLBACK")
			return fmt.Errorf("%s: %s\n%w", step.Note, step.SQL, err)
		}
	}
	if open {
		return simple(ctx, conn, "COMMIT")
	}
	return nil
}

func (w *world) step(ctx context.Context, conn *sql.Conn, s script.Step, open *bool) error {
	alone := s.Alone || s.Batches != nil
	if alone == *open {
		*open = !*open
		if err := simple(ctx, conn, map[bool]string{true: "BEGIN", false: "COMMIT"}[*open]); err != nil {
			return err
		}
	}
	if s.Batches == nil {
		return simple(ctx, conn, s.SQL)
	}
	for _, half := range []string{"%[1]s IN (SELECT %[1]s FROM %[2]s ORDER BY 1 LIMIT 5)", "true"} {
		if strings.Contains(half, "%") {
			half = fmt.Sprintf(half, s.Batches.Key[0], s.Batches.Table)
		}
		if err := simple(ctx, conn, strings.ReplaceAll(s.Batches.SQL, "{{range}}", half)); err != nil {
			return err
		}
	}
	return nil
}

// simple runs statements without parameters.
func simple(ctx context.Context, conn *sql.Conn, statement string) error {
	_, err := conn.ExecContext(ctx, statement)
	return err
}

// value asks for a single value, as text.
func (w *world) value(db *sql.DB, query string) string {
	w.t.Helper()
	var v sql.NullString
	if err := db.QueryRowContext(w.t.Context(), query).Scan(&v); err != nil {
		w.t.Fatalf("%s\n%v", query, err)
	}
	return v.String
}

// list asks for the rows of a query, a line each.
func (w *world) list(db *sql.DB, query string) []string {
	w.t.Helper()
	rows, err := db.QueryContext(w.t.Context(), query)
	if err != nil {
		w.t.Fatalf("%.60s: %v", query, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// lost gives how many rows undo would destroy something of.
func (w *world) lost(s script.Script) string {
	w.t.Helper()
	var all []string
	for _, l := range s.Lost {
		if n := w.value(w.admin, l.Count); n != "0" {
			all = append(all, n+" "+l.What)
		}
	}
	return strings.Join(all, "; ")
}

// definition is what a schema's tables are, whatever the order of their columns.
func (w *world) definition(schema string) []string {
	w.t.Helper()
	all := w.list(w.admin, fmt.Sprintf(`
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
  || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') || ' ' || a.attidentity::text || a.attgenerated::text
  || coalesce(' ' || col_description(c.oid, a.attnum), '') || coalesce(' ' || a.attacl::text, '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %[1]s::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE k.connamespace = %[1]s::regnamespace AND k.contype <> 'n'
UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = %[1]s::regnamespace
UNION ALL SELECT c.relname || ' trigger ' || g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
  WHERE c.relnamespace = %[1]s::regnamespace AND NOT g.tgisinternal
UNION ALL SELECT 'sequence ' || c.relname || ' ' || format_type(s.seqtypid, NULL) FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid WHERE c.relnamespace = %[1]s::regnamespace
ORDER BY 1`, literal(schema)))
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], schema+".", "")
	}
	return all
}

// plainly gives what a schema's tables are when it is made and changed by plain
// definitions. Nothing else is left of the database.
func (w *world) plainly(setup, change string) []string {
	w.t.Helper()
	for _, schema := range w.list(w.admin, `SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'public%'`) {
		w.exec("DROP SCHEMA " + ident(schema) + " CASCADE")
	}
	w.exec("CREATE SCHEMA public")
	w.exec(setup)
	w.exec(change)
	return w.definition("public")
}

// where gives what PostgreSQL says of the place of an error.
func where(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Where
	}
	return ""
}
