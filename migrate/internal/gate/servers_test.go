package gate

import (
	"context"
	"database/sql"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/internal/servertest"
)

// refusedByAll are rules whose bad examples a database does not take, either.
var refusedByAll = []string{"unreadable", "client-command", "several-statements", "concurrently-in-transaction", "ends-transaction", "sqlite-add-column"}

// TestExamplesAreWhatDatabasesUnderstand holds the examples to the servers: a
// statement that none of them takes would show nothing.
func TestExamplesAreWhatDatabasesUnderstand(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		c := connect(t, openPostgres(t))
		dirty := true // the last example has committed something
		onEach(t, postgresExamples, func(t *testing.T, text string) *sql.Conn {
			must(t, c, "ROLLBACK")
			if dirty {
				must(t, c, "DISCARD ALL")
				must(t, c, "DROP SCHEMA IF EXISTS public, old, new, archive CASCADE")
				must(t, c, "CREATE SCHEMA public")
				must(t, c, postgresBase)
			}
			dirty = strings.Contains(text, "-- alone")
			return c
		})
	})
	t.Run("mariadb", func(t *testing.T) {
		onEach(t, mariadbExamples, func(t *testing.T, text string) *sql.Conn { return mariadbWith(t, needed(text)) })
	})
	t.Run("sqlite", func(t *testing.T) {
		onEach(t, sqliteExamples, func(t *testing.T, _ string) *sql.Conn {
			db, err := sql.Open("sqlite", ":memory:")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			c := connect(t, db)
			must(t, c, sqliteBase)
			return c
		})
	})
}

// onEach runs both halves of each example on a database of its own.
func onEach(t *testing.T, all []example, fresh func(t *testing.T, text string) *sql.Conn) {
	for _, e := range all {
		if !slices.Contains(refusedByAll, e.rule) && !strings.Contains(e.bad, "NOT NULL DEFAULT NULL") {
			t.Run(e.rule+"/bad", func(t *testing.T) { run(t, fresh(t, e.bad), e.bad) })
		}
		t.Run(e.rule+"/good", func(t *testing.T) { run(t, fresh(t, e.good), e.good) })
	}
}

// needed gives the lines of mariadbBase that make what a text names: a definition
// takes its time there.
func needed(text string) string {
	lines := strings.Split(strings.TrimSpace(mariadbBase), "\n")
	var all []string
	for _, line := range slices.Backward(lines) {
		named := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '(' || r == ';' })
		if strings.Contains(text, named[2]) || strings.Contains(text, named[len(named)-1]) {
			all = append(all, line)
			text += line
		}
	}
	slices.Reverse(all)
	return strings.Join(all, "\n")
}

// run runs the statements of an example, those that are not alone in a transaction.
// If none is, nothing remains of it.
func run(t *testing.T, c *sql.Conn, text string) {
	t.Helper()
	open, last := false, "ROLLBACK"
	if strings.Contains(text, "-- alone") {
		last = "COMMIT"
	}
	end := func() {
		if open {
			must(t, c, last)
		}
		open = false
	}
	for _, s := range change(text) {
		if s.Alone {
			end()
		} else if !open {
			must(t, c, "BEGIN")
			open = true
		}
		must(t, c, strings.ReplaceAll(s.SQL, "{{range}}", "1 = 1"))
	}
	end()
}

func must(t *testing.T, c *sql.Conn, statement string) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func connect(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func openPostgres(t *testing.T) *sql.DB {
	t.Helper()
	u, err := url.Parse(servertest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("default_query_exec_mode", "simple_protocol")
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// mariadbWith gives a connection to a new database, in which the lines of base were run.
func mariadbWith(t *testing.T, base string) *sql.Conn {
	t.Helper()
	u, err := url.Parse(servertest.MariaDBURL(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := connect(t, db)
	t.Cleanup(func() { _, _ = c.ExecContext(context.Background(), "UNLOCK TABLES") })
	for line := range strings.Lines(base) {
		must(t, c, line)
	}
	return c
}
