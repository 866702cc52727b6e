package kubernetes

import (
	"context"
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

func (q Request) session(show func(Event)) session {
	return session{service: q.Service, who: q.Who, why: q.Why, dir: q.Dir, segue: q.Segue, drill: q.Drill, show: show}
}

// Restart replaces the pods by others of the same release.
func (c *Cluster) Restart(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	return c.change(ctx, q.session(show), q.Wait, func(ctx context.Context, s *session) (*Record, error) {
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		now, err := s.up()
		if err != nil {
			return nil, err
		}
		replicas, err := s.live(ctx, now)
		if err != nil {
			return nil, err
		}
		r := deploy.Rollout{Kind: deploy.KindRestart, To: now.release, Replicas: replicas}
		return s.begin(ctx, r, func(rec *Record) { rec.Restarted = time.Now().UTC().Format(time.RFC3339) })
	})
}

// Scale changes how many pods there are. A service that has an autoscaler is not
// scaled by hand: that would not last.
func (c *Cluster) Scale(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	if q.Replicas < 0 {
		return deploy.Rollout{}, fmt.Errorf("%d replicas cannot be; 0 keeps the service without running it", q.Replicas)
	}
	return c.change(ctx, q.session(show), q.Wait, func(ctx context.Context, s *session) (*Record, error) {
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		now, err := s.up()
		if err != nil {
			return nil, err
		}
		if a := autoscale(&s.release(now.release).Spec); a != nil {
			return nil, fmt.Errorf("%s has an autoscaler (%d to %d pods), which would undo it at once; change kubernetes.autoscale and deploy", s.service, a.Min, a.Max)
		}
		if now.replicas == q.Replicas {
			return nil, ErrNothing
		}
		return s.begin(ctx, deploy.Rollout{Kind: deploy.KindScale, To: now.release, Replicas: q.Replicas}, nil)
	})
}

func autoscale(spec *deploy.Service) *deploy.Autoscale {
	if spec.Kubernetes == nil {
		return nil
	}
	return spec.Kubernetes.Autoscale
}

// live is how many pods the service has to be given: what was asked for last, or
// what an autoscaler has come to.
func (s *session) live(ctx context.Context, now serving) (int, error) {
	r := s.release(now.release)
	if r == nil || autoscale(&r.Spec) == nil {
		return now.replicas, nil
	}
	return s.c.replicas(ctx, now.deployment, now.replicas)
}

// Promote has the rollout that is under way go on without what its stage waits
// for. Who works on the rollout hears of it; Promote does not wait for that.
func (c *Cluster) Promote(ctx context.Context, q Request) (deploy.Rollout, error) {
	r := records{c, q.Service}
	_, open, err := r.now(ctx)
	if err != nil {
		return deploy.Rollout{}, err
	}
	switch {
	case open == nil:
		return deploy.Rollout{}, fmt.Errorf("no rollout of %s is under way", q.Service)
	case open.Phase == deploy.Backward:
		return open.Rollout, fmt.Errorf("rollout %d of %s is being undone: %s", open.ID, q.Service, open.Reason)
	}
	return open.Rollout, r.say(ctx, open.ID, word{Promote: open.Stage + 1, Note: noteOf("promoted", q)})
}

func noteOf(what string, q Request) string {
	note := what + " by " + q.Who
	if q.Why != "" {
		note += ": " + q.Why
	}
	return note
}
