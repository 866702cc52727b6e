package kubernetes

import (
	"context"
	"fmt"

	"github.com/seguehq/segue/internal/rollout"
)

// beside brings the new release in a Deployment of its own, next to the old one,
// which stays whole until the new one has proved itself: blue-green, and canary.
// Its front divides the requests between the two.
type beside struct {
	*story
	front front
}

// A front divides requests between the Deployments Old and New of a rollout. Its
// methods return when those who send the requests know it.
type front interface {
	divide(ctx context.Context, st *rollout.Stage) error
	// all sends all requests to one of them; nothing of the division is left.
	all(ctx context.Context, r *Release, deployment string) error
}

func (w beside) enter(ctx context.Context, st *rollout.Stage) error {
	if w.idle(st) {
		return nil
	}
	if st.Old == 0 {
		return w.leave(ctx)
	}
	if err := w.front.divide(ctx, st); err != nil {
		return err
	}
	to := w.shape()
	to.replicas = st.New
	if err := w.shaped(ctx, w.new, to); err != nil {
		return err
	}
	if err := w.rolled(ctx, w.new, to.name); err != nil {
		return err
	}
	return w.front.divide(ctx, st) // to pods that have just come, too
}

// leave ends the old side, which gets no request any more.
func (w beside) leave(ctx context.Context) error {
	if err := w.front.all(ctx, w.new, w.rec.New); err != nil {
		return err
	}
	if err := w.gone(ctx, w.rec.Old); err != nil {
		return err
	}
	return w.settle(ctx, w.new, w.rec.New)
}

// back gives the old side all requests again, and ends the new one.
func (w beside) back(ctx context.Context) error {
	if err := w.shaped(ctx, w.old, w.oldShape()); err != nil {
		return err
	}
	if err := w.rolled(ctx, w.old, w.rec.Old); err != nil {
		return err
	}
	if err := w.front.all(ctx, w.old, w.rec.Old); err != nil {
		return err
	}
	if err := w.gone(ctx, w.rec.New); err != nil {
		return err
	}
	return w.settle(ctx, w.old, w.rec.Old)
}

// gone removes a Deployment, and waits until its last pod has left, and no
// EndpointSlice names one any more.
func (w beside) gone(ctx context.Context, deployment string) error {
	ref := Ref{"Deployment", deployment}
	if err := w.remove(ctx, ref); err != nil {
		return err
	}
	if err := w.c.Gone(ctx, ref); err != nil {
		return fmt.Errorf("wait for the pods of %s to leave: %w", deployment, err)
	}
	return w.view.Until(ctx, func(p Picture) (bool, error) { return len(p.Of(deployment)) == 0 && len(p.Stale) == 0, nil })
}

// besideName is what the Deployment of a release is called that runs next to
// another.
func besideName(service string, release int, other string) string {
	if name := fmt.Sprintf("%s-r%d", service, release); name != other {
		return name
	}
	return service
}
