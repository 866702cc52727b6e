package migrate

import (
	"context"
	"database/sql"
	"fmt"
)

// A verdict is what is to be done about an open change.
type verdict int

const (
	goOn     verdict = iota // it is the set's
	leave                   // the set has nothing to do with it
	takeBack                // it is the set's, but not as the files say it now
)

// judge tells what is to be done about an open change, when a set comes that has
// migrations which are not done.
func judge(open *Change, pending Set, fresh bool) (verdict, error) {
	if len(pending) == 0 {
		return leave, nil
	}
	same := len(pending) >= len(open.Migrations)
	for i := 0; same && i < len(open.Migrations); i++ {
		same = pending[i].Name == open.Migrations[i] && pending[i].Sum == open.sums[i]
	}
	switch {
	case same && (fresh || len(pending) == len(open.Migrations)):
		return goOn, nil
	case open.State == Contracting:
		return leave, fmt.Errorf("%s is being contracted: `segue migrate contract` ends it; then come further migrations", open.name())
	case same && open.State == Ready:
		return leave, fmt.Errorf("%s waits for its contract, and only one change is open at a time: `segue migrate contract` ends it when nothing of the old release is left, "+
			"`segue migrate rollback` takes it back when nothing of the new one is", open.name())
	}
	return takeBack, nil
}

// next gives the change that is to be expanded, which is written down; nil: there
// is nothing to do. more says that it is to be brought to its end, for others follow.
func (r *runner) next(ctx context.Context, set Set, fresh bool) (c *Change, more bool, err error) {
	st, err := r.status(ctx, r.conn, set)
	if err != nil {
		return nil, false, err
	}
	pending := set.without(st.Applied)
	if st.Open != nil {
		c, err := r.resume(ctx, st.Open, pending, fresh)
		if err != nil || c != nil || len(pending) == 0 {
			return c, c != nil && len(pending) > len(c.Migrations), err
		}
	}
	if len(pending) == 0 {
		return nil, false, nil
	}
	if err := r.foreign(ctx, r.conn, st); err != nil {
		return nil, false, err
	}
	if fresh {
		more, pending = len(pending) > 1, pending[:1]
	}
	c, err = r.begin(ctx, pending, fresh, more)
	return c, more, err
}

// resume goes on with the open change, or takes it back: then it gives nil.
func (r *runner) resume(ctx context.Context, open *Change, pending Set, fresh bool) (*Change, error) {
	l := ledger{r.store, open}
	if open.State == Undoing {
		return nil, r.undo(ctx, l)
	}
	what, err := judge(open, pending, fresh)
	if err != nil || what == leave {
		return nil, err
	}
	if what == goOn {
		return open, nil
	}
	if err := r.losses(ctx, open); err != nil {
		return nil, fmt.Errorf("the files of %s are not what they were when it was begun, and %w; or put the files back as they were", open.name(), err)
	}
	if err := r.undo(ctx, l); err != nil {
		return nil, fmt.Errorf("the files of %s are not what they were when it was begun, so it is to be taken back first: %w; `segue migrate rollback --discard` gives it up, or put the files back as they were", open.name(), err)
	}
	return nil, nil
}

// idle says whether there is really nobody on the database, as it was said: it
// has no tables, or nothing but what was begun in the same belief. It is too easily
// said of one that others than Segue's instances work on.
func (r *runner) idle(ctx context.Context) (bool, error) {
	has, err := r.store.exists(ctx, r.conn)
	if err != nil {
		return false, err
	}
	if has {
		return r.store.fresh(ctx, r.conn)
	}
	return r.db.Empty(ctx, r.conn, r.base)
}

// begin compiles a change, asks the gate, and writes it down.
func (r *runner) begin(ctx context.Context, pending Set, fresh, more bool) (*Change, error) {
	c, findings, err := r.compile(ctx, r.conn, pending, fresh)
	if err != nil {
		return nil, err
	}
	if refused(findings) && !fresh {
		return nil, &RefusedError{findings}
	}
	defer r.point("begun")
	c.fresh = more
	return c, r.insist(ctx, Progress{Note: "write down what is to be done"}, func(ctx context.Context) error {
		if err := r.store.make(ctx, r.conn); err != nil {
			return err
		}
		return r.inTransaction(ctx, func(tx *sql.Tx) error { return r.store.begin(ctx, tx, c) })
	})
}
