package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type postgres struct{}

func openPostgres(url, schema string) (*DB, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read: it is to be postgres://user:password@host:port/database, with what is special in the password written as %40")
	}
	// What is known of a statement does not outlive the definitions that run
	// between two of them.
	c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "segue migrate"
	}
	return &DB{DB: stdlib.OpenDB(*c, stdlib.OptionAfterConnect(settle(schema))), Kind: Postgres, server: postgres{}, secrets: newSecrets(c.Password)}, nil
}

// settle gives a connection its settings. They are not sent with its start, which
// poolers refuse.
func settle(schema string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		if schema == "" {
			return nil
		}
		path := pgx.Identifier{schema}.Sanitize()
		if schema != "public" {
			path += ", public"
		}
		_, err := c.Exec(ctx, `SELECT set_config('search_path', $1, false), set_config(name, '0', false) FROM pg_settings
			WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`, path)
		return err
	}
}

func (postgres) version(ctx context.Context, s Session) (n int, err error) {
	return n, s.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&n)
}

func (postgres) lockTimeout(ctx context.Context, s Session, d time.Duration) error {
	_, err := s.ExecContext(ctx, "SELECT set_config('lock_timeout', $1, false)", strconv.FormatInt(max(1, d.Milliseconds()), 10))
	return err
}

func (postgres) session(ctx context.Context, s Session) (id int64, err error) {
	return id, s.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&id)
}

func (postgres) blockers(ctx context.Context, s Session, id int64) (string, error) {
	rows, err := s.QueryContext(ctx, `SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, backend_type, ''),
		extract(epoch FROM clock_timestamp() - xact_start)::float8
		FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1::int)) ORDER BY xact_start LIMIT 3`, id)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var who []string
	for rows.Next() {
		var pid int64
		var user, program, state string
		var seconds sql.NullFloat64
		if err := rows.Scan(&pid, &user, &program, &state, &seconds); err != nil {
			return "", err
		}
		if program != "" {
			user = strings.TrimSpace(user + " with " + program)
		}
		is := fmt.Sprintf("process %d (%s)", pid, user)
		if state != "" && seconds.Valid { // the rest is shown to those with pg_read_all_stats alone
			is += fmt.Sprintf(", %s, its transaction is %v old", state, age(seconds.Float64))
		}
		who = append(who, is)
	}
	return strings.Join(who, "; "), rows.Err()
}

// age rounds seconds for people.
func age(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

func (postgres) class(err error) Class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) || pgconn.SafeToRetry(err) {
			return Lost
		}
		return Other
	}
	return postgresClass(e.Code)
}

// postgresClass knows the codes of PostgreSQL's Appendix A.
func postgresClass(code string) Class {
	switch code {
	case "55P03":
		return LockTimeout
	case "40001", "40P01":
		return Serialization
	case "42701", "42710", "42723", "42P04", "42P06", "42P07":
		return Exists
	case "42703", "42704", "42883", "42P01", "3D000", "3F000":
		return Gone
	case "57P01", "57P02", "57P03", "57P05", "25P03":
		return Lost
	case "57014":
		return Cancelled
	}
	switch {
	case strings.HasPrefix(code, "08"):
		return Lost
	case strings.HasPrefix(code, "53"): // disk, memory, connections
		return Full
	}
	return Other
}
