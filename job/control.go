package job

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/store"
)

// A Control looks after the jobs of a fleet from outside: it is what `segue job`
// uses. It may be used concurrently, and need not be closed.
type Control struct {
	store store.Store
	book  book
}

// NewControl returns the control of the jobs whose instances share s.
func NewControl(s store.Store) *Control { return &Control{s, book{s}} }

// Run has an instance of the fleet run a job now, and returns the run's ID. It does
// not wait for it: see Wait. by is who asks, for the history. The error is an
// ErrSuspended, ErrRunning or ErrUnknown if that is why not.
func (c *Control) Run(ctx context.Context, name, by string) (id string, err error) {
	if _, err := c.owners(ctx, name); err != nil {
		return "", fmt.Errorf("job: run %q: %w", name, err)
	}
	run := Run{ID: rand.Text(), By: cmp.Or(by, "somebody")}
	err = c.change(ctx, name, func(r *record) error {
		run.Slot = time.Now().UTC()
		switch {
		case r.status == statusSuspended:
			return fmt.Errorf("%w %v: resume it first", ErrSuspended, r.Suspended)
		case r.status == statusRunning:
			return fmt.Errorf("%w by %s, since %s: wait until that has ended", ErrRunning, r.Run.Runner.Instance, r.Run.Started.Format(time.RFC3339))
		case r.status == statusOpen:
			return fmt.Errorf("%w: a run waits for an instance to take it up", ErrRunning)
		case r.rest().After(run.Slot):
			return fmt.Errorf("%w, or rests: AtLeastFor keeps it from being begun until %s", ErrRunning, r.rest().Format(time.RFC3339Nano))
		}
		// No slot is used up; but a claim that was decided on before comes too late.
		*r = record{status: statusOpen, slot: r.slot.Add(1), Run: &run}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("job: run %q: %w", name, err)
	}
	return run.ID, call(ctx, c.store, name)
}

// Suspend keeps a job from being run: when it has returned, no run is claimed
// anywhere, by schedule or by hand, until Resume. What runs already goes on, but is
// not handed on any more until then. by and why are for others to read. A job that
// is suspended stays as it is.
func (c *Control) Suspend(ctx context.Context, name, by, why string) error {
	s := &Suspension{By: by, Why: why, Since: time.Now().UTC()}
	err := c.changeKnown(ctx, name, func(r *record) error {
		switch {
		case r.Suspended != nil:
			return errAsWanted
		case r.status == statusRunning:
			r.Suspended = s
		default:
			r.status, r.Suspended = statusSuspended, s
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("job: suspend %q: %w", name, err)
	}
	return nil
}

// Resume ends a suspension. The times at which the job was due meanwhile are
// skipped, or with CatchUp run once. A job that is not suspended stays as it is.
func (c *Control) Resume(ctx context.Context, name, by string) error {
	var was Suspension
	err := c.changeKnown(ctx, name, func(r *record) error {
		if r.Suspended == nil {
			return errAsWanted
		}
		was = *r.Suspended
		r.Suspended = nil
		switch {
		case r.status == statusRunning:
		case r.waits() != nil:
			r.status = statusOpen
		default:
			r.status = statusIdle
		}
		return nil
	})
	if err == nil && !was.Since.IsZero() {
		err = c.book.note(ctx, name, nil, Run{Slot: was.Since, Until: time.Now().UTC(), Outcome: Skipped, Why: "suspended " + was.String(), By: by})
		err = errors.Join(err, call(ctx, c.store, name))
	}
	if err != nil {
		return fmt.Errorf("job: resume %q: %w", name, err)
	}
	return nil
}

// errAsWanted: there is nothing to change.
var errAsWanted = errors.New("job: it is as it should be")

// changeKnown is change for a job that somebody has, or that there is a record of.
func (c *Control) changeKnown(ctx context.Context, name string, change func(*record) error) error {
	_, err := c.store.Get(ctx, statePrefix+name)
	if errors.Is(err, store.ErrNotFound) {
		_, err = c.owners(ctx, name)
	}
	if err != nil {
		return err
	}
	if err = c.change(ctx, name, change); err == errAsWanted {
		return nil
	}
	return err
}

// change changes a job's record, whoever else does meanwhile. There may be none yet.
func (c *Control) change(ctx context.Context, name string, change func(*record) error) error {
	for {
		r := record{status: statusIdle, slot: time.Unix(0, 0).UTC()}
		e, err := c.store.Get(ctx, statePrefix+name)
		if err == nil {
			r, err = decode(e)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := change(&r); err != nil {
			return err
		}
		value, err := r.encode()
		if err != nil {
			return err
		}
		_, err = c.store.Put(ctx, store.Write{Key: statePrefix + name, Value: value, Expect: e.Revision})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// History returns the last n runs of a job (at most HistoryKept), the last one
// first. n <= 0: all that are kept. The error is an ErrUnknown if there is no such
// job.
func (c *Control) History(ctx context.Context, name string, n int) ([]Run, error) {
	h, _, err := c.book.read(ctx, name)
	if err == nil && len(h.Runs) == 0 {
		err = c.changeKnown(ctx, name, func(*record) error { return errAsWanted })
	}
	if err != nil {
		return nil, fmt.Errorf("job: history of %q: %w", name, err)
	}
	slices.Reverse(h.Runs)
	if n > 0 {
		h.Runs = h.Runs[:min(n, len(h.Runs))]
	}
	return h.Runs, nil
}
