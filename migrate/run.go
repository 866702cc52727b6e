package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A runner does the work, while it has the lock.
type runner struct {
	*Database
	conn    *sql.Conn
	session int64 // of conn, by which those in its way are found
}

// work has the lock while it does something. Nobody else changes the record then.
func (d *Database) work(ctx context.Context, do func(r *runner) error) error {
	err := d.locked(ctx, do)
	return d.db.Scrub(err)
}

func (d *Database) locked(ctx context.Context, do func(r *runner) error) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	unlock, err := d.lock(ctx, conn)
	if err != nil {
		return err
	}
	defer unlock()
	r := &runner{Database: d, conn: conn}
	if r.session, err = d.db.SessionID(ctx, conn); err != nil {
		return err
	}
	return do(r)
}

// Expand runs the expand phase of what the set has new, or goes on with it. It
// returns when the old release goes on as before and what the new one needs is
// there, except for the rows' values, which Backfill brings. When a statement
// fails for good, what was done is taken back. What may succeed later (a lock, no
// room, no connection) leaves the change as it is: the same call goes on.
//
// When the files of a change that is open are not what they were, it is taken back
// first, if nothing is lost by it.
//
// Whoever has a database without anybody on it (fresh) has all but the newest
// change done one after the other, with their contract phases, and is not refused
// what would only disturb others. It is not believed of one that had tables before.
func (d *Database) Expand(ctx context.Context, set Set, fresh bool) error {
	return d.work(ctx, func(r *runner) error {
		if fresh {
			var err error
			if fresh, err = r.idle(ctx); err != nil {
				return err
			}
		}
		for {
			c, more, err := r.next(ctx, set, fresh)
			if err != nil || c == nil {
				return err
			}
			if err := r.expand(ctx, c); err != nil || !more {
				return err
			}
			if err := r.backfill(ctx, c); err != nil {
				return err
			}
			if err := r.contract(ctx, c); err != nil {
				return err
			}
		}
	})
}

// Backfill brings the rows' values, and checks what is to be checked of them
// (constraints). When it returns, the new release may start. It goes on where an
// earlier call was cut off. When it fails for good (a row that breaks a
// constraint), the change is taken back.
func (d *Database) Backfill(ctx context.Context) error {
	return d.withOpen(ctx, func(r *runner, c *Change) error {
		if c.State == Expanding || c.State == Undoing {
			return fmt.Errorf("%s is %s: `segue migrate expand` comes first", c.name(), c.State)
		}
		return r.backfill(ctx, c)
	})
}

// Contract removes what only the old release needed. There is no way back.
func (d *Database) Contract(ctx context.Context) error {
	return d.withOpen(ctx, func(r *runner, c *Change) error {
		if c.State != Ready && c.State != Contracting {
			return fmt.Errorf("%s is %s: it can be contracted when expand and backfill are done and the new release is the only one left", c.name(), c.State)
		}
		return r.contract(ctx, c)
	})
}

// withOpen works on the open change; without one there is nothing to do.
func (d *Database) withOpen(ctx context.Context, do func(r *runner, c *Change) error) error {
	return d.work(ctx, func(r *runner) error {
		st, err := d.status(ctx, r.conn, nil)
		if err != nil || st.Open == nil {
			return err
		}
		return do(r, st.Open)
	})
}

func (r *runner) expand(ctx context.Context, c *Change) error {
	if c.State != Expanding {
		return nil
	}
	l := ledger{r.store, c}
	if err := r.steps(ctx, l, script.Expand); err != nil {
		return r.failed(ctx, l, err)
	}
	return r.mark(ctx, l, Expanded)
}

func (r *runner) backfill(ctx context.Context, c *Change) error {
	l := ledger{r.store, c}
	switch c.State {
	case Expanded:
		if err := r.mark(ctx, l, Backfilling); err != nil {
			return err
		}
	case Backfilling:
	default:
		return nil
	}
	if err := r.steps(ctx, l, script.Backfill); err != nil {
		return r.failed(ctx, l, err)
	}
	return r.mark(ctx, l, Ready)
}

func (r *runner) contract(ctx context.Context, c *Change) error {
	l := ledger{r.store, c}
	if c.State == Ready {
		if err := r.mark(ctx, l, Contracting); err != nil {
			return err
		}
	}
	if c.State != Contracting {
		return nil
	}
	if err := r.steps(ctx, l, script.Contract); err != nil {
		return fmt.Errorf("%w; the new release goes on as it is, and `segue migrate contract` goes on from here", err)
	}
	return r.insist(ctx, Progress{Note: "write down that it is done"}, func(ctx context.Context) error {
		return r.inTransaction(ctx, func(tx *sql.Tx) error {
			for i, name := range c.Migrations {
				if err := r.store.apply(ctx, tx, c.ID, name, c.sums[i]); err != nil {
					return err
				}
			}
			r.point("before done")
			return l.is(ctx, tx, Done)
		})
	})
}

// failed takes a change back whose step has failed for good. What may succeed
// later leaves it as it is.
func (r *runner) failed(ctx context.Context, l ledger, cause error) error {
	// ErrMoved: another process is at work on it, since this one's lock was lost.
	if ctx.Err() != nil || r.db.Class(cause).Passing() || errors.Is(cause, backfill.ErrMoved) {
		return fmt.Errorf("%w; nothing is taken back: the same command goes on from here", cause)
	}
	switch err := r.undo(ctx, l); {
	case errors.Is(err, errStays):
		return fmt.Errorf("%w; what was done before it stays, since %s: `segue migrate rollback --discard` gives the change up", cause, l.change.Script.Stays)
	case err != nil:
		return fmt.Errorf("%w; it was to be taken back, and that failed, too: %w; `segue migrate rollback` goes on with it", cause, err)
	}
	return fmt.Errorf("%w; what was done before it is taken back", cause)
}

func (r *runner) inTransaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	if err := r.db.LockTimeout(ctx, r.conn, r.options.LockTimeout); err != nil {
		return err
	}
	tx, err := r.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of what was not committed
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// mark writes a change's state down. SQLite may be locked even for that.
func (r *runner) mark(ctx context.Context, l ledger, to State) error {
	r.point("before %s", to)
	defer r.point("%s", to)
	return r.insist(ctx, Progress{Note: "write down that it is " + string(to)}, func(ctx context.Context) error {
		return l.is(ctx, r.conn, to)
	})
}
