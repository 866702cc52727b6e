package migrate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// lockPoll is how often a process that waits for another one asks. It asks, and
// does not wait in the server: a statement that waits is a transaction that CREATE INDEX
// CONCURRENTLY waits for in its turn.
const lockPoll = 250 * time.Millisecond

// lock takes the lock that only one process has that works on changes. It is the
// connection's, and ends with it: the one that does the work, so that a server
// that still works on the last statement of a process that was killed is waited
// for, too.
func (d *Database) lock(ctx context.Context, conn *sql.Conn) (unlock func(), err error) {
	try, unlock := d.locker(conn)
	for waiting := false; ; waiting = true {
		got, err := try(ctx)
		if err != nil {
			unlock()
			return nil, fmt.Errorf("take the lock of migrations: %w", err)
		}
		if got {
			return unlock, nil
		}
		if !waiting {
			d.tell(Progress{Waiting: "another process that changes this database"})
		}
		if err := pause(ctx, lockPoll); err != nil {
			unlock()
			return nil, err
		}
	}
}

// locker gives what tries to take the lock, and what gives it back.
func (d *Database) locker(conn *sql.Conn) (try func(context.Context) (bool, error), unlock func()) {
	asks := func(query string, args ...any) func(context.Context) (bool, error) {
		return func(ctx context.Context) (got bool, err error) {
			return got, conn.QueryRowContext(ctx, query, args...).Scan(&got)
		}
	}
	// When the connection is lost, so is the lock: nothing is left to be done.
	gives := func(query string, args ...any) func() {
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_, _ = conn.ExecContext(ctx, query, args...)
		}
	}
	sum := sha256.Sum256([]byte("segue migrate " + d.base))
	switch d.db.Kind {
	case dialect.Postgres:
		key := int64(binary.BigEndian.Uint64(sum[:]))
		return asks("SELECT pg_try_advisory_lock($1)", key), gives("SELECT pg_advisory_unlock($1)", key)
	case dialect.MariaDB: // its locks are the server's, not the database's, and their names have 64 characters
		const name = "concat('segue migrate ', md5(database()))"
		return asks("SELECT coalesce(get_lock(" + name + ", 0), 0) = 1"), gives("DO release_lock(" + name + ")")
	}
	file := &fileLock{path: d.db.Path + "-migrate-lock"}
	return func(context.Context) (bool, error) { return file.try() }, file.unlock
}

// pause waits, and ends early with ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
