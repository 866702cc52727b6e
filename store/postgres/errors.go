package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/seguehq/segue/store"
)

// SQLSTATEs that mean something to us.
const (
	undefinedTable       = "42P01"
	undefinedSchema      = "3F000"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

// mends are what to do about errors of the server.
var mends = map[string]string{
	"28P01": "user or password are not the server's",
	"28000": "the server does not let this user in from here; see its pg_hba.conf",
	"3D000": "the database has to be made first: createdb",
	"42501": "the user may not do that; let who may do it once: CREATE SCHEMA segue AUTHORIZATION the_user (or the name in ?schema=)",
	"42704": "a parameter in the URL is known neither to pgx nor to the server",
	"53300": "the server has no connection left; lower pool_max_conns in the URL, or raise max_connections",
	"53100": "the server's disk is full",
	"25006": "this server is a replica; use the URL of the primary",
	"57P03": "the server is starting or stopping; try again",
	"22P05": "the database is not in UTF-8; make one with createdb --encoding UTF8 --template template0",
	"26000": pooled,
	"42P05": pooled,
	"08P01": pooled,
}

const pooled = "if there is a PgBouncer before the server, add default_query_exec_mode=exec to the URL"

// fail words what went wrong, nil if nothing did.
func (s *Store) fail(ctx context.Context, doing, key string, err error) error {
	if err == nil {
		return nil
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	what := doing
	if key != "" {
		what = fmt.Sprintf("%s %q", doing, key)
	}
	return fmt.Errorf("store: %s: %s: %w%s", s.set.where, what, oneLine{err}, mend(err))
}

// oneLine is an error without the lines in which pgx tells of each way that it
// has tried to connect, often in the same words.
type oneLine struct{ error }

func (e oneLine) Unwrap() error { return e.error }

func (e oneLine) Error() string {
	var lines []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// mend says what to do about an error, where that is known.
func mend(err error) string {
	var refused *pgconn.PgError
	var dns *net.DNSError
	switch {
	case errors.As(err, &refused):
		if m := mends[refused.Code]; m != "" {
			return "; " + m
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; is the server running, and is this its port?"
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return "; " + mends["25006"]
	case errors.As(err, &dns):
		return "; is the host's name right?"
	}
	return ""
}

// untouched reports whether a statement has certainly changed nothing: it was not
// sent, or the server has undone it. Such a one may be repeated.
func untouched(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == serializationFailure || refused.Code == deadlockDetected
	}
	return pgconn.SafeToRetry(err)
}

// broken reports whether the connection has failed, and not the statement.
func broken(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "57P") // the server goes, or comes
	}
	return !errors.Is(err, pgx.ErrNoRows)
}
