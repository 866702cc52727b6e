package kubernetes

import (
	"context"

	"github.com/seguehq/segue/internal/rollout"
)

// rolling changes the Deployment that serves in place: Kubernetes replaces its
// pods within surge and unavailable. A first deploy, a rollback, a restart and a
// scale go the same way.
type rolling struct{ *story }

func (w rolling) enter(ctx context.Context, st *rollout.Stage) error {
	switch {
	case w.idle(st):
		return nil
	case st.Old > 0:
		return w.some(ctx, st.New)
	}
	return w.all(ctx)
}

// some brings the first pods of the new release, and holds the Deployment there:
// one that is paused makes no more of them, and keeps the old ones. It is paused
// as soon as they exist, for then they are not ready, and none has followed.
func (w rolling) some(ctx context.Context, n int) error {
	to := w.shape()
	if len(w.brought(w.view.Now())) < n {
		if err := w.shaped(ctx, w.new, to); err != nil {
			return err
		}
		err := w.arrive(ctx, w.new, to.name, func(p Picture) bool { return len(w.brought(p)) >= n })
		if err != nil {
			return err
		}
	}
	to.paused = true
	if err := w.shaped(ctx, w.new, to); err != nil {
		return err
	}
	return w.arrive(ctx, w.new, to.name, func(p Picture) bool { return w.answering(w.brought(p)) >= n })
}

// all brings all pods of the new release, and waits until nothing of the old one
// is left: no pod, and no EndpointSlice that still names one.
func (w rolling) all(ctx context.Context) error {
	if w.old == nil {
		if err := w.settle(ctx, w.new, w.rec.New); err != nil {
			return err
		}
	}
	if err := w.shaped(ctx, w.new, w.shape()); err != nil {
		return err
	}
	if err := w.rolled(ctx, w.new, w.rec.New); err != nil {
		return err
	}
	return w.settle(ctx, w.new, w.rec.New)
}

// back has the Deployment as it was before. What the first deploy has made is
// removed.
func (w rolling) back(ctx context.Context) error {
	if w.old == nil {
		return w.removeAll(ctx)
	}
	if err := w.shaped(ctx, w.old, w.oldShape()); err != nil {
		return err
	}
	if err := w.rolled(ctx, w.old, w.rec.Old); err != nil {
		return err
	}
	return w.settle(ctx, w.old, w.rec.Old)
}
