// Package dialect is what PostgreSQL, MariaDB and SQLite do differently, as far as
// a change of a database has to know: how to connect, to quote, to wait for a lock
// only so long, to find out who is in the way, and what an error means.
package dialect

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Kind is a database that is known.
type Kind string

// The kinds.
const (
	Postgres Kind = "postgres"
	MariaDB  Kind = "mariadb" // and MySQL, which nothing here is tested with
	SQLite   Kind = "sqlite"
)

// A DB is a database that is connected to. Its methods may be called concurrently.
type DB struct {
	*sql.DB
	Kind Kind
	// Version is the server's, in its own counting: 150006 is PostgreSQL 15.6,
	// 101106 is MariaDB 10.11.6, 3046001 is SQLite 3.46.1.
	Version int
	// Path is SQLite's file; empty elsewhere.
	Path    string
	server  server
	secrets secrets
}

// A Session is a connection or a transaction on it: *sql.Conn, *sql.Tx, *sql.DB.
type Session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// server is what a kind of database adds.
type server interface {
	version(ctx context.Context, s Session) (int, error)
	lockTimeout(ctx context.Context, s Session, d time.Duration) error
	session(ctx context.Context, s Session) (int64, error)
	blockers(ctx context.Context, s Session, id int64) (string, error)
	class(err error) Class
}

// Open connects to the database of a URL: postgres:// or postgresql://, mysql:// or
// mariadb://, sqlite: and a path. It returns when the database has answered. Its
// errors do not show the password.
func Open(ctx context.Context, url string) (*DB, error) { return OpenIn(ctx, url, "") }

// OpenIn is Open for one who works in a schema (PostgreSQL): it is found first by
// each connection, whatever the URL says of the search_path, and public behind it.
// No time limit of the role's holds for statements. Elsewhere the schema means
// nothing.
func OpenIn(ctx context.Context, url, schema string) (*DB, error) {
	scheme, _, ok := strings.Cut(url, ":")
	if !ok {
		return nil, fmt.Errorf("the database's URL has no scheme: write postgres://, mysql://, mariadb:// or sqlite: in front")
	}
	var d *DB
	var err error
	switch strings.ToLower(scheme) {
	case "postgres", "postgresql":
		d, err = openPostgres(url, schema)
	case "mysql", "mariadb":
		d, err = openMariaDB(url)
	case "sqlite":
		d, err = openSQLite(url)
	default:
		return nil, fmt.Errorf("no database is known by the scheme %q: write postgres://, mysql://, mariadb:// or sqlite: in front", scheme)
	}
	if err != nil {
		return nil, err
	}
	d.SetConnMaxIdleTime(time.Minute)
	if d.Version, err = d.server.version(ctx, d.DB); err != nil {
		_ = d.Close() // the error before it says more
		return nil, d.Scrub(fmt.Errorf("connect to the database: %w", err))
	}
	return d, nil
}

// Quote gives an identifier as SQL wants it.
func (d *DB) Quote(name string) string {
	q := `"`
	if d.Kind == MariaDB {
		q = "`"
	}
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// Placeholder gives the n-th argument of a statement, from 1, as SQL wants it.
func (d *DB) Placeholder(n int) string {
	if d.Kind == Postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// Bind gives a statement that is written with ? for its arguments as this database
// wants it. It must have no ? in its texts.
func (d *DB) Bind(query string) string {
	if d.Kind != Postgres {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, ok := strings.Cut(query, "?")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString(d.Placeholder(n))
		query = after
	}
}

// LockTimeout bounds how long a connection's statements wait for a lock from now
// on. MariaDB counts whole seconds: what is left of one is rounded up.
func (d *DB) LockTimeout(ctx context.Context, s Session, limit time.Duration) error {
	return d.server.lockTimeout(ctx, s, limit)
}

// SessionID tells a connection's number, by which Blockers knows it.
func (d *DB) SessionID(ctx context.Context, s Session) (int64, error) {
	return d.server.session(ctx, s)
}

// Blockers tells whom the connection of that number waits for, in words for
// people, without what they have written in their statements; empty: for nobody, or
// it cannot be known. It is asked on another connection.
func (d *DB) Blockers(ctx context.Context, id int64) (string, error) {
	return d.server.blockers(ctx, d.DB, id)
}

// Class tells what kind of an error it is.
func (d *DB) Class(err error) Class {
	if err == nil {
		return Other
	}
	if c := common(err); c != Other {
		return c
	}
	return d.server.class(err)
}

// Scrub gives an error that does not show the database's password. Whoever hands
// an error out passes it through here.
func (d *DB) Scrub(err error) error { return d.secrets.scrub(err) }
