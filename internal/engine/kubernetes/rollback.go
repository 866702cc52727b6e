package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/seguehq/segue/internal/deploy"
)

// Rollback undoes the rollout that is under way, whoever works on it, or takes
// the service back to an older release. That is done in place, by the shortest way.
func (c *Cluster) Rollback(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	calledOff, err := c.callOff(ctx, q)
	if err != nil {
		return deploy.Rollout{}, err
	}
	// Who works on a rollout that was called off goes back with it, and then lets
	// go of the Lease; who has died lets it run out.
	wait := q.Wait || calledOff != 0
	return c.change(ctx, q.session(show), wait, func(ctx context.Context, s *session) (*Record, error) {
		switch {
		case calledOff != 0 && s.open == nil && s.last.ID == calledOff:
			return s.last, nil
		case s.open != nil && s.open.ID == calledOff:
			return s.run(ctx, s.open, false) // it hears the word first of all
		}
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		return s.backTo(ctx, q.Release)
	})
}

// callOff says to the rollout that is under way that it is to be undone, and
// returns which that is; 0 none.
func (c *Cluster) callOff(ctx context.Context, q Request) (int64, error) {
	r := records{c, q.Service}
	_, open, err := r.now(ctx)
	if err != nil || open == nil || q.Release != 0 {
		return 0, err
	}
	if open.Kind == deploy.KindContract {
		return 0, fmt.Errorf("rollout %d of %s is the contract of %s, which cannot be undone: what older releases need is being removed; `segue migrate contract %s` goes on with it if its command has died",
			open.ID, q.Service, deploy.Migrations(open.Brings), q.Service)
	}
	return open.ID, r.say(ctx, open.ID, word{Back: true, Note: noteOf("called off", q)})
}

// backTo begins a rollout to an older release; 0: the one that served before.
func (s *session) backTo(ctx context.Context, number int) (*Record, error) {
	now := s.last.serves()
	if number == 0 {
		var err error
		if number, err = s.before(ctx, now.release); err != nil {
			return nil, err
		}
	}
	to := s.release(number)
	switch {
	case to == nil:
		return nil, fmt.Errorf("release %d of %s is not kept; `segue releases` lists those that are", number, s.service)
	case number == now.release:
		return nil, ErrNothing
	}
	if err := s.knows(to); err != nil {
		return nil, err
	}
	replicas, err := s.live(ctx, now)
	if err != nil {
		return nil, err
	}
	if now.release == 0 {
		replicas = to.Spec.Replicas
	}
	return s.begin(ctx, deploy.Rollout{Kind: deploy.KindRollback, To: number, Replicas: replicas, Brings: s.brings(to)}, nil)
}

// before is the release that served before the one that serves.
func (s *session) before(ctx context.Context, serving int) (int, error) {
	all, err := s.records.rollouts(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if r.Phase == deploy.Done && r.To == serving && r.From != serving && r.From != 0 {
			return r.From, nil
		}
	}
	return 0, errors.New(s.service + " has no earlier release to go back to; `segue releases` lists what is kept")
}
