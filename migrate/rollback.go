package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// errStays says that there is no way back.
var errStays = errors.New("it cannot be taken back")

// Rollback takes the open change back. When values would be lost that only the
// new release knows, it does nothing and returns a *LossError, unless discard is
// set. Where the files do not say how it is taken back, discard gives the change up:
// what it has done and nothing takes back stays in the database.
func (d *Database) Rollback(ctx context.Context, discard bool) error {
	return d.work(ctx, func(r *runner) error {
		st, err := d.status(ctx, r.conn, nil)
		if err != nil {
			return err
		}
		c := st.Open
		if c == nil {
			return errors.New("no change is open: there is nothing to take back")
		}
		if c.State == Contracting {
			return fmt.Errorf("%s is being contracted, from which there is no way back: `segue migrate contract` ends it", c.name())
		}
		if !discard {
			if err := r.losses(ctx, c); err != nil {
				return err
			}
		}
		err = r.takeBack(ctx, ledger{d.store, c}, discard)
		if errors.Is(err, errStays) {
			return fmt.Errorf("%s: %w, since %s; --discard gives it up, and what it has done stays in the database", c.name(), err, c.Script.Stays)
		}
		return err
	})
}

// losses asks what would be lost.
func (r *runner) losses(ctx context.Context, c *Change) error {
	if c.State == Expanding || c.State == Undoing { // no release has worked with it, or it was asked
		return nil
	}
	var lost []Loss
	for _, l := range c.Script.Lost {
		var n int64
		err := r.conn.QueryRowContext(ctx, l.Count).Scan(&n)
		if r.db.Class(err) == dialect.Gone { // somebody has removed it by hand
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for %s: %w", l.What, err)
		}
		if n > 0 {
			lost = append(lost, Loss{l.What, n})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return &LossError{lost}
}

// undo takes back what was begun of a change.
func (r *runner) undo(ctx context.Context, l ledger) error { return r.takeBack(ctx, l, false) }

func (r *runner) takeBack(ctx context.Context, l ledger, discard bool) error {
	begun, partly := r.extent(l.change)
	if l.change.Script.Stays != "" && len(begun) > 0 && !discard {
		return errStays
	}
	if l.change.State != Undoing {
		if err := r.mark(ctx, l, Undoing); err != nil {
			return err
		}
	}
	w := &work{runner: r, log: l, phase: script.Undo, steps: l.change.Script.Undo,
		skip:    func(s script.Step) bool { return s.Migration != "" && !begun[s.Migration] },
		partial: func(s script.Step) bool { return discard || s.Migration == "" || partly[s.Migration] }}
	if err := w.run(ctx); err != nil {
		return err
	}
	return r.mark(ctx, l, Undone)
}

// extent tells which migrations of a change were begun, and of which not all of
// expand was done.
func (r *runner) extent(c *Change) (begun, partly map[string]bool) {
	begun, partly = map[string]bool{}, map[string]bool{}
	for _, p := range []script.Phase{script.Expand, script.Backfill} {
		for i, s := range c.Script.Steps(p) {
			rec, ok := c.record(p, i)
			if ok {
				begun[s.Migration] = true
			}
			if p == script.Expand && rec.Ended.IsZero() {
				partly[s.Migration] = true
			}
		}
	}
	return begun, partly
}
