package kubernetes

import (
	"context"

	"github.com/seguehq/segue/internal/rollout"
)

// recreate is for what cannot run twice: the old pods are gone before the first
// new one is made. Nothing holds the requests that come in between.
type recreate struct{ *story }

func (w recreate) enter(ctx context.Context, st *rollout.Stage) error {
	if w.idle(st) {
		return nil
	}
	if !w.served(w.view.Now()) {
		if err := w.empty(ctx, w.old, w.oldShape()); err != nil {
			return err
		}
	}
	if st.New == 0 {
		return nil // the hooks between: nothing runs
	}
	return rolling(w).all(ctx)
}

// served reports whether the Deployment is the new release's already, which
// happens when the rollout is gone on with.
func (w recreate) served(p Picture) bool {
	d, found := p.Deployment(w.rec.New)
	return found && d.Release == w.rec.To
}

// empty has a Deployment without pods, and waits until the last has gone.
func (w recreate) empty(ctx context.Context, r *Release, to shape) error {
	to.replicas = 0
	if err := w.shaped(ctx, r, to); err != nil {
		return err
	}
	return w.view.Until(ctx, func(p Picture) (bool, error) { return len(p.podsOf(to.name)) == 0, nil })
}

// back ends the new pods before the old ones come.
func (w recreate) back(ctx context.Context) error {
	if w.served(w.view.Now()) {
		if err := w.empty(ctx, w.new, w.shape()); err != nil {
			return err
		}
	}
	return rolling(w).back(ctx)
}
