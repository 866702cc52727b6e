package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// Down ends the service: no request reaches it any more, then its pods leave, and
// what was made for it is removed. Its history stays unless it is purged.
func (c *Cluster) Down(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	r, err := c.change(ctx, q.session(show), q.Wait, func(ctx context.Context, s *session) (*Record, error) {
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		if s.last != nil && s.last.Kind == deploy.KindDown && s.last.Phase == deploy.Done {
			return s.last, nil // one that was left was just finished, or there is nothing but history
		}
		if _, err := s.up(); err != nil {
			return nil, err
		}
		return s.begin(ctx, deploy.Rollout{Kind: deploy.KindDown}, nil)
	})
	if err != nil || !q.Purge {
		return r, err
	}
	return r, c.purge(ctx, q.Service)
}

// down takes a service away from the front to the back.
type down struct{ *story }

func (w down) enter(ctx context.Context, _ *rollout.Stage) error {
	owned, err := w.c.Owned(ctx, w.rec.Service)
	if err != nil {
		return err
	}
	for _, kinds := range [][]string{{"HTTPRoute", "Ingress"}, {"Service"}} {
		front := ofKinds(owned, kinds...)
		if len(front) == 0 {
			continue
		}
		if err := w.remove(ctx, front...); err != nil {
			return err
		}
		w.note("%s until nobody sends requests any more", w.spec.DeregistrationTime())
		if err := pause(ctx, w.spec.DeregistrationTime()); err != nil {
			return err
		}
	}
	return w.removeAll(ctx)
}

// back brings the service up again as it was.
func (w down) back(ctx context.Context) error { return rolling(w).back(ctx) }

func ofKinds(refs []Ref, kinds ...string) []Ref {
	var out []Ref
	for _, ref := range refs {
		if slices.Contains(kinds, ref.Kind) {
			out = append(out, ref)
		}
	}
	return out
}

// removeAll removes everything of the service's but what is remembered of it, and
// waits until its last pod has left.
func (s *story) removeAll(ctx context.Context) error {
	owned, err := s.c.Owned(ctx, s.rec.Service)
	if err != nil {
		return err
	}
	deployments := ofKinds(owned, "Deployment")
	rest := slices.DeleteFunc(owned, func(ref Ref) bool { return !settled[ref.Kind] })
	if err := s.remove(ctx, append(slices.Clone(deployments), rest...)...); err != nil {
		return err
	}
	if err := s.c.Gone(ctx, deployments...); err != nil {
		return fmt.Errorf("wait for the pods to leave: %w", err)
	}
	return nil
}

// purge removes what is remembered of a service that is down.
func (c *Cluster) purge(ctx context.Context, service string) error {
	owned, err := c.Owned(ctx, service)
	if err != nil {
		return err
	}
	if len(ofKinds(owned, "Deployment")) > 0 {
		return errors.New(service + " has come up again meanwhile; its history was kept")
	}
	return c.Delete(ctx, owned...)
}
