package backfill

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// A server is what a kind of database does in its own way.
type server interface {
	// indexes gives the unique ones of a table, the primary key first.
	indexes(ctx context.Context, s dialect.Session, table string) ([]index, error)
	// key tells how to walk by an index, whose columns are written as columns.
	key(ctx context.Context, s dialect.Session, table string, by index, columns []string) (key, error)
	// estimate gives about how many rows there are.
	estimate(ctx context.Context, s dialect.Session, table string) (int64, error)

	// settle prepares a connection for batches; lockTimeout is set already.
	settle(ctx context.Context, s dialect.Session) error
	// begin begins the transaction of a batch.
	begin() string

	// prepare makes ready what probe needs, and clear takes it away again. If it
	// fails, what can be probed is less.
	prepare(ctx context.Context, s dialect.Session) error
	clear(ctx context.Context, s dialect.Session) error
	// probe does what others do all the time: it reads a row (read is a query that
	// finds one) and commits something small.
	probe(ctx context.Context, s dialect.Session, read string) error
	// look looks around; ours are the numbers of our own connections.
	look(ctx context.Context, s dialect.Session, ours []int64) (view, error)
}

// A view is what is seen of a database from outside.
type view struct {
	others bool          // somebody else is at work, or was within the last second
	lag    time.Duration // of the replica that is furthest behind
	full   float64       // of the redo log, from 0 to 1, where all have to wait when it is full
}

// of gives a new server for a walk: it may hold what it has seen before.
func of(kind dialect.Kind) server {
	switch kind {
	case dialect.Postgres:
		return &postgres{}
	case dialect.MariaDB:
		return &mariadb{}
	default:
		return &sqlite{}
	}
}

// exec runs statements one after the other.
func exec(ctx context.Context, s dialect.Session, statements ...string) error {
	for _, text := range statements {
		if text == "" {
			continue
		}
		if _, err := s.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// row reads the only row of a query; ok is false if there is none.
func row(ctx context.Context, s dialect.Session, query string, n int) (values []sql.NullString, ok bool, err error) {
	rows, err := s.QueryContext(ctx, query)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, false, rows.Err()
	}
	values = make([]sql.NullString, n)
	into := make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, false, err
	}
	return values, true, rows.Close()
}

// records reads all rows of a query, each by the names of its columns: for what has
// other columns in each version.
func records(ctx context.Context, s dialect.Session, query string) ([]map[string]string, error) {
	rows, err := s.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []map[string]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		record := map[string]string{}
		for i, c := range columns {
			record[strings.ToLower(c)] = values[i].String
		}
		all = append(all, record)
	}
	return all, rows.Err()
}

// list writes numbers for IN (…).
func list(numbers []int64) string {
	all := []string{"0"}
	for _, n := range numbers {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ", ")
}

// itself is the literal that a text is already.
func itself(text string) string { return text }
