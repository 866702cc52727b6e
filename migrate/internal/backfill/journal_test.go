package backfill_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// journal keeps one record in a table, as package migrate does.
type journal struct{ db *dialect.DB }

const journalTable = "CREATE TABLE journal (id int PRIMARY KEY, last text, done bigint, total bigint)"

func (j journal) Load(ctx context.Context, s dialect.Session) (r script.Record, err error) {
	return r, s.QueryRowContext(ctx, "SELECT last, done, total FROM journal").Scan(&r.Last, &r.Rows, &r.Total)
}

func (j journal) Save(ctx context.Context, s dialect.Session, was, is script.Record) error {
	result, err := s.ExecContext(ctx, j.db.Bind("UPDATE journal SET last = ?, done = ?, total = ? WHERE id = 1 AND last = ?"), is.Last, is.Rows, is.Total, was.Last)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows: %w", n, backfill.ErrMoved)
	}
	return nil
}

// each runs a test on every database, which has a journal.
func each(t *testing.T, test func(t *testing.T, d *dialect.DB)) {
	for name, at := range map[string]func(t *testing.T) string{
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
		"mariadb":  func(t *testing.T) string { return servertest.MariaDBURL(t) },
		"sqlite": func(t *testing.T) string {
			return "sqlite:" + filepath.Join(t.TempDir(), "test.db?_pragma=journal_mode(wal)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, at(t))
			run(t, d, journalTable, "INSERT INTO journal VALUES (1, '', 0, 0)")
			test(t, d)
		})
	}
}

func open(t testing.TB, url string) *dialect.DB {
	t.Helper()
	d, err := dialect.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func run(t testing.TB, d *dialect.DB, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := d.ExecContext(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// number reads one.
func number(t testing.TB, d *dialect.DB, query string) (n int64) {
	t.Helper()
	if err := d.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// series fills a table's column id with 1 to n; the others are of it: (id, …).
func series(t testing.TB, d *dialect.DB, table, values string, n int) {
	t.Helper()
	limit := ""
	if d.Kind == dialect.MariaDB {
		limit = "SET STATEMENT max_recursive_iterations = 10000000 FOR "
	}
	run(t, d, fmt.Sprintf("%sINSERT INTO %s WITH RECURSIVE s (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM s WHERE id < %d) SELECT %s FROM s", limit, table, n, values))
}

// fill runs a backfill from where the journal stands.
func fill(t testing.TB, d *dialect.DB, b script.Batches, o backfill.Options) error {
	t.Helper()
	ctx := t.Context()
	r, err := journal{d}.Load(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	return backfill.Run(ctx, d, b, r, journal{d}, o)
}

func TestMain(m *testing.M) {
	if os.Getenv("BACKFILL_URL") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}
