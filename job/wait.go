package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seguehq/segue/store"
)

// Wait waits until a run has ended, and returns it: the last part, if it was handed
// on. It ends in an error if the run is not, or no longer, to be found.
func (c *Control) Wait(ctx context.Context, name, id string) (Run, error) {
	var found Run
	strikes := 0
	err := c.watch(ctx, name, func() (over bool, err error) {
		h, _, err := c.book.read(ctx, name)
		if err != nil {
			return false, err
		}
		for _, r := range h.Runs {
			if r.ID == id && !r.GoesOn {
				found = r
				return true, nil
			}
		}
		if on, err := c.goesOn(ctx, name, id); on || err != nil {
			strikes = 0
			return false, err
		}
		if strikes++; strikes > 2 { // its history may be written a little later
			return false, fmt.Errorf("job: no run %s of %q goes on, and its history does not have it", id, name)
		}
		return false, nil
	})
	return found, err
}

// goesOn tells whether a job's record is that of this run.
func (c *Control) goesOn(ctx context.Context, name, id string) (bool, error) {
	e, err := c.store.Get(ctx, statePrefix+name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r, err := decode(e)
	return err == nil && r.Run != nil && r.Run.ID == id && r.Run.Ended.IsZero(), err
}

// Follow calls show for each run of a job that ends (or is skipped) from now on,
// until ctx is done or show returns an error, which it returns.
func (c *Control) Follow(ctx context.Context, name string, show func(Run) error) error {
	shown := map[string]bool{}
	first := true
	return c.watch(ctx, name, func() (bool, error) {
		h, _, err := c.book.read(ctx, name)
		if err != nil {
			return false, err
		}
		now := map[string]bool{}
		for _, r := range h.Runs {
			key := fmt.Sprint(r.ID, r.Part, r.Slot.UnixNano(), r.Outcome)
			now[key] = true
			if !first && !shown[key] {
				if err := show(r); err != nil {
					return false, err
				}
			}
		}
		shown, first = now, false
		return false, nil
	})
}

// lookAnyway is how often it is looked at a history of which nothing was told.
const lookAnyway = 2 * time.Second

// watch calls look now and whenever a job's history has changed, until it is over.
func (c *Control) watch(ctx context.Context, name string, look func() (over bool, err error)) error {
	w, err := c.store.Watch(ctx, historyPrefix+name)
	if err != nil {
		return fmt.Errorf("job: watch %q: %w", name, err)
	}
	defer w.Close()
	for {
		if over, err := look(); over || err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, lookAnyway)
		_, err := w.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && wait.Err() == nil:
			return fmt.Errorf("job: watch %q: %w", name, err)
		}
	}
}
