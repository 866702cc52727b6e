// Package sql keeps the locks of package shedlock in a table, as ShedLock's
// JdbcTemplateLockProvider and JdbcLockProvider do: in PostgreSQL, in MariaDB or
// MySQL, and in SQLite.
//
// Each call is one statement, or two where the database needs them, on whatever
// connection the database/sql pool gives, outside of any transaction. [Schema] is
// the table; the guard does not make it. A guard may be used concurrently.
//
// Which clock decides must be the same in Go and in Java. Without an option it is
// the database's, as usingDbTime has it in Java; [ClientTime] is for a Java
// side that does without it.
package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/internal/record"
)

// MaxName is how many characters the name of a lock may have, as in ShedLock's
// table.
const MaxName = 64

// A Guard is a job.Guard on a table.
type Guard struct {
	db         *sql.DB
	table      table
	clock      clock
	statements statements
	lockedBy   string
	doubts     record.Doubts
}

var _ job.Guard = (*Guard)(nil)

// New returns the guard whose locks are in a table of db. It panics if an option or
// the dialect is not one, and asks the database nothing.
func New(db *sql.DB, d Dialect, options ...Option) *Guard {
	s := settle(d, options)
	c := clockOf(d, s.zone)
	return &Guard{db: db, table: s.table, clock: c, statements: write(d, s.table, c), lockedBy: s.lockedBy}
}

// Lock takes the lock until atMost from now, rounded down to milliseconds, which is
// at least one. ok is false if somebody else has it: by is what the column locked_by
// says of who. Names have at most MaxName characters.
func (g *Guard) Lock(ctx context.Context, name string, atMost time.Duration) (l job.GuardLock, ok bool, by string, err error) {
	if err := record.Check(name, atMost); err != nil {
		return nil, false, "", err
	}
	if n := utf8.RuneCountInString(name); n > MaxName {
		return nil, false, "", fmt.Errorf("shedlock: %q has %d characters: the name of a lock has %d at most", name, n, MaxName)
	}
	h := &grant{guard: g, name: name, by: record.Identity(g.lockedBy)}
	return g.doubts.Lock(ctx, name, atMost, h.by, h)
}

// A grant is one lock that was given, or is asked for.
type grant struct {
	guard *Guard
	name  string
	by    string    // no other grant has the same
	at    time.Time // when it was taken, by this process's clock
}

// Take is that of record.Grant.
func (h *grant) Take(ctx context.Context, atMost time.Duration) (ok bool, by string, err error) {
	h.at = h.guard.clock.now()
	ok, by, err = h.take(ctx, h.params(atMost, 0))
	return ok, by, h.guard.mend(err)
}

func (h *grant) take(ctx context.Context, p params) (ok bool, by string, err error) {
	s := &h.guard.statements
	if ok, err := h.do(ctx, s.lock, p); ok || err != nil {
		return ok, "", err
	}
	by, err = h.holder(ctx)
	if errors.Is(err, sql.ErrNoRows) && s.insert.text != "" {
		return h.insert(ctx, p)
	}
	if err != nil {
		return false, "", nil // it is held, by somebody who is not known
	}
	return false, by, nil
}

// insert makes the first record of a name. The error of one whom another was
// quicker than differs from driver to driver: whether there is a record now tells.
func (h *grant) insert(ctx context.Context, p params) (ok bool, by string, err error) {
	ok, err = h.do(ctx, h.guard.statements.insert, p)
	if err == nil {
		return ok, "", nil
	}
	if by, unknown := h.holder(ctx); unknown == nil {
		return false, by, nil
	}
	return false, "", err
}

func (h *grant) holder(ctx context.Context) (by string, err error) {
	q := h.guard.statements.holder
	err = h.guard.db.QueryRowContext(ctx, q.text, q.args(h.params(0, 0))...).Scan(&by)
	return by, err
}

// Extend is that of record.Grant.
func (h *grant) Extend(ctx context.Context, atMost time.Duration) (bool, error) {
	ok, err := h.change(ctx, h.guard.statements.extend, h.params(atMost, 0))
	return ok, h.guard.mend(err)
}

// Unlock is that of record.Grant.
func (h *grant) Unlock(ctx context.Context, atLeast time.Duration) (bool, error) {
	ok, err := h.change(ctx, h.guard.statements.unlock, h.params(0, atLeast))
	return ok, h.guard.mend(err)
}

// change changes the record, if it is the grant's. MariaDB and MySQL count no row
// that was already as it is to be, unless the driver asks them to: then a look says
// whose it is.
func (h *grant) change(ctx context.Context, q query, p params) (bool, error) {
	ok, err := h.do(ctx, q, p)
	look := h.guard.statements.held
	if ok || err != nil || look.text == "" {
		return ok, err
	}
	var n int
	err = h.guard.db.QueryRowContext(ctx, look.text, look.args(p)...).Scan(&n)
	return n > 0, err
}

// do runs a statement, and says whether it has changed the record.
func (h *grant) do(ctx context.Context, q query, p params) (bool, error) {
	result, err := h.guard.db.ExecContext(ctx, q.text, q.args(p)...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (h *grant) params(atMost, atLeast time.Duration) params {
	p := h.guard.clock.params(h.guard.clock.now(), h.at, atMost, atLeast)
	p["name"], p["by"] = h.name, h.by
	return p
}

// mend adds what is to be done about a table that is not there.
func (g *Guard) mend(err error) error {
	if err == nil || !missing(err) {
		return err
	}
	return fmt.Errorf("%w: make the table %s with what Schema returns", err, g.table.name)
}
