package rollout

import (
	"context"
	"errors"
	"sync"

	"github.com/seguehq/segue/internal/deploy"
)

// migrate adds the stages that change the database for the new release while the
// old one works on it. They come behind Service.Prepare, which may have run weeks
// ago and so cannot rely on them, and whose failure is to leave no change behind;
// and before Hooks.Before, which may need what the new release needs.
//
// A rollout that is undone leaves the change as it is: the old release goes on
// with it, and the next attempt finds it.
func (p *plan) migrate() {
	if len(p.r.Brings) == 0 || p.spec.Migrate == nil {
		return
	}
	for _, phase := range []string{deploy.PhaseExpand, deploy.PhaseBackfill} {
		p.add(migrating(p.spec.Migrate, p.r, phase, Stage{Old: p.r.Before}))
	}
}

// migrating has a stage carry out a phase.
func migrating(m *deploy.Migrate, r deploy.Rollout, phase string, s Stage) Stage {
	s.Name, s.Phase = phase+" "+deploy.Migrations(r.Brings), phase
	s.Hooks = []deploy.Hook{m.Phase(phase, r.Fresh)}
	return s
}

// contracting is the one stage of a rollout that contracts.
func contracting(spec *deploy.Service, r deploy.Rollout) Stage {
	s := Stage{New: r.Replicas, Name: deploy.PhaseContract}
	if spec.Migrate != nil {
		s = migrating(spec.Migrate, r, deploy.PhaseContract, s)
	}
	return s
}

// errNoDatabase is what a contract ends with that nobody can carry out.
var errNoDatabase = errors.New("the release has no migrations any more")

// contract carries out the contract phase, beside the fleet, which is kept as
// outside a rollout: an instance that ends meanwhile is started again, and is no
// reason to stop halfway.
func (p *Parts) contract(ctx context.Context, r deploy.Rollout) error {
	stage := contracting(&p.Spec, r)
	if len(stage.Hooks) == 0 {
		return errNoDatabase
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel(nil)
	as := forward(r)
	beside.Go(func() { Keep(ctx, *p, as) })
	beside.Go(func() {
		select {
		case <-ctx.Done():
		case why := <-p.Abort:
			cancel(errors.New(why))
		}
	})
	if p.Entered != nil {
		p.Entered(r.Stage)
	}
	err := p.runHook(ctx, &r, &stage, stage.Hooks[0])
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
