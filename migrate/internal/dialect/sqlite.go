package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

type sqliteServer struct{}

// openSQLite takes sqlite:relative.db, sqlite:/absolute.db, sqlite:///absolute.db,
// and behind a ? the driver's parameters.
func openSQLite(raw string) (*DB, error) {
	rest := raw[len("sqlite:"):]
	path, query, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
	if path == "" || path == ":memory:" {
		return nil, errors.New("the database's URL names no file: sqlite:/var/lib/app/app.db")
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate&_pragma=busy_timeout(5000)"
	if query != "" {
		dsn += "&" + query
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &DB{DB: db, Kind: SQLite, Path: path, server: sqliteServer{}}, nil
}

func (sqliteServer) version(ctx context.Context, s Session) (int, error) {
	var text string
	// The file is looked into: that it is no database is to be known now.
	if err := s.QueryRowContext(ctx, "SELECT sqlite_version() FROM (SELECT count(*) FROM sqlite_schema)").Scan(&text); err != nil {
		return 0, err
	}
	return number(text, 1000)
}

func (sqliteServer) lockTimeout(ctx context.Context, s Session, d time.Duration) error {
	_, err := s.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", max(1, d.Milliseconds())))
	return err
}

func (sqliteServer) session(context.Context, Session) (int64, error) { return 0, nil }

func (sqliteServer) blockers(context.Context, Session, int64) (string, error) {
	return "another process that writes to the file", nil
}

func (sqliteServer) class(err error) Class {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return Other
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return LockTimeout
	case lib.SQLITE_FULL, lib.SQLITE_NOMEM:
		return Full
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return Lost
	case lib.SQLITE_INTERRUPT:
		return Cancelled
	}
	return sqliteText(e.Error())
}

// sqliteText knows what SQLite tells in words alone.
func sqliteText(text string) Class {
	for _, is := range []struct {
		words string
		class Class
	}{
		{"already exists", Exists}, {"already another table or index", Exists}, {"duplicate column name", Exists},
		{"no such ", Gone}, {"has no column named", Gone},
	} {
		if strings.Contains(text, is.words) {
			return is.class
		}
	}
	return Other
}
