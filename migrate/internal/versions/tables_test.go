package versions

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A shared is a database that two releases use: who changes it, the old one and
// the new one.
type shared struct {
	t        *testing.T
	url      string
	admin    *sql.DB
	old, new *sql.DB
	script   script.Script
}

func newShared(t *testing.T, setup string) *shared {
	t.Helper()
	s := &shared{t: t, url: servertest.PostgresURL(t)}
	s.admin = s.connect("")
	s.old = s.admin
	s.exec(s.admin, setup)
	return s
}

// connect is a release's: it finds its version's schema first.
func (s *shared) connect(schema string) *sql.DB {
	s.t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	if schema != "" {
		q := u.Query()
		q.Set("search_path", schema+", public")
		u.RawQuery = q.Encode()
	}
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

func (s *shared) exec(db *sql.DB, query string) {
	s.t.Helper()
	if _, err := db.ExecContext(s.t.Context(), query); err != nil {
		s.t.Fatalf("%v\n%s", err, query)
	}
}

func migrationOf(t *testing.T, name, ops string) Migration {
	t.Helper()
	m, err := operation.Parse(name+".yaml", []byte("operations:\n"+ops))
	if err != nil {
		t.Fatalf("%v\n%s", err, ops)
	}
	return Migration{Name: m.Name, File: name + ".yaml", VersionSchema: m.VersionSchema, Ops: m.Operations}
}

func (s *shared) compile(ms ...Migration) error {
	var err error
	s.script, err = Compile(s.t.Context(), s.admin, "public", ms, false)
	return err
}

// run runs a phase, as the package migrate does: what is not alone in a transaction.
func (s *shared) run(phase script.Phase) error {
	ctx := s.t.Context()
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := false
	for _, step := range s.script.Steps(phase) {
		if alone := step.Alone || step.Batches != nil; alone == in {
			if _, err := conn.ExecContext(ctx, map[bool]string{true: "COMMIT", false: "BEGIN"}[in]); err != nil {
				return err
			}
			in = !in
		}
		if err := runStep(ctx, conn, step); err != nil {
			conn.ExecContext(ctx, "ROLLBACK") // the error before it says more
			return fmt.Errorf("%s: %w", step.Note, err)
		}
	}
	if in {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	return err
}

func runStep(ctx context.Context, conn *sql.Conn, step script.Step) error {
	query := step.SQL
	if step.Batches != nil {
		query = strings.ReplaceAll(step.Batches.SQL, "{{range}}", "true")
	}
	_, err := conn.ExecContext(ctx, query)
	return err
}

func (s *shared) must(phase script.Phase) {
	s.t.Helper()
	if err := s.run(phase); err != nil {
		s.t.Fatalf("%s: %v", phase, err)
	}
}

// begin expands, and lets the new release in.
func (s *shared) begin(ms ...Migration) {
	s.t.Helper()
	if err := s.compile(ms...); err != nil {
		s.t.Fatal(err)
	}
	s.must(script.Expand)
	s.new = s.connect(s.script.Schema)
}

// rows gives what a query finds: a line for each row.
func (s *shared) rows(db *sql.DB, query string) string {
	s.t.Helper()
	rows, err := db.QueryContext(s.t.Context(), query)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, strings.Trim(fmt.Sprint(values), "[]"))
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(lines, ", ")
}

func (s *shared) want(db *sql.DB, who, query, want string) {
	s.t.Helper()
	if got := s.rows(db, query); got != want {
		s.t.Errorf("%s: %s\ngot  %s\nwant %s", who, query, got, want)
	}
}

// same compares what is there with what was there: tables, columns, indexes,
// constraints, triggers and routines.
func (s *shared) structure() string {
	return s.rows(s.admin, `
		SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
			|| coalesce(pg_get_expr(adbin, adrelid), '')
			FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'p') LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
			WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
		UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'routine ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'public_%'
		UNION ALL SELECT 'identity ' || relname || relreplident::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
		ORDER BY 1`)
}
