package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/seguehq/segue/internal/deploy"
)

// Run takes a rollout through the stages that its strategy plans, or back. It
// serves a first deploy, a scale, a restart and `segue down` as well: they differ
// in which instances are wanted and how many.
//
// It returns the phase in which the rollout ended, or ErrInterrupted.
func Run(ctx context.Context, p Parts, r deploy.Rollout) (deploy.Phase, error) {
	if r.Phase == deploy.Forward {
		err := p.goForward(ctx, r)
		if err == nil {
			return deploy.Done, p.end(ctx, r, deploy.Done)
		}
		if ctx.Err() != nil {
			return r.Phase, ErrInterrupted
		}
		back := deploy.Step{Rollout: r.ID, Service: r.Service, Verb: deploy.StepBack, Release: r.From, Note: err.Error()}
		if err := p.write(ctx, back); err != nil {
			return r.Phase, ErrInterrupted
		}
	}
	if err := p.goBack(ctx, r); err != nil {
		return deploy.Backward, ErrInterrupted
	}
	return deploy.RolledBack, p.end(ctx, r, deploy.RolledBack)
}

func (p *Parts) goForward(ctx context.Context, r deploy.Rollout) error {
	if r.Kind == deploy.KindContract {
		return p.contract(ctx, r)
	}
	return p.through(ctx, r)
}

// goBack returns to the old release. When that cannot be started any more,
// and the progress deadline has passed, it at least takes out the bad one: a
// rollout does not hang for ever, and restoring the old one is tried on after
// its end.
func (p *Parts) goBack(ctx context.Context, r deploy.Rollout) error {
	err := p.move(ctx, backward(r), patient, nil)
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.problem(fmt.Errorf("going back: %w; release %d is taken out all the same", err, r.To))
	t := backward(r)
	t.Count = min(t.Count, p.serving(t.Gen))
	return p.move(ctx, t, patient, nil)
}

func (p *Parts) end(ctx context.Context, r deploy.Rollout, phase deploy.Phase) error {
	s := deploy.Step{Rollout: r.ID, Service: r.Service, Verb: deploy.StepEnd, Release: r.To, Note: string(phase)}
	if phase == deploy.RolledBack {
		s.Release = r.From
	}
	if p.write(ctx, s) != nil {
		return ErrInterrupted
	}
	return nil
}

func (p *Parts) serving(gen int64) int {
	n := 0
	for _, i := range p.Fleet.List() {
		if i.Gen == gen && i.State == deploy.Serving {
			n++
		}
	}
	return n
}

// Keep holds a service at what it is while no rollout is under way: an
// instance that ends is started again, at first at once, then after growing
// pauses. It returns when ctx ends, having stopped what it had begun; what was
// half done is gone on with by whatever comes next.
func Keep(ctx context.Context, p Parts, t Target) {
	for ctx.Err() == nil {
		if err := p.move(ctx, t, tireless, nil); err != nil && !errors.Is(err, context.Canceled) {
			p.problem(err)
		}
	}
}

// A Target is what a service is to be: Count instances of generation Gen, those
// Beside, and no others.
type Target struct {
	Service string
	Rollout int64 // in which it is moved there; 0 outside any
	Release int
	Gen     int64
	Count   int
	Beside  Side
}

// A Side is the instances of one generation, when those of another run too.
type Side struct {
	Release int
	Gen     int64
	Count   int // 0: there are to be none, and those that there are make room as the budgets allow
}

func (t *Target) side() Side { return Side{t.Release, t.Gen, t.Count} }

func forward(r deploy.Rollout) Target {
	return Target{Service: r.Service, Rollout: r.ID, Release: r.To, Gen: r.ToGen, Count: r.Replicas}
}

func backward(r deploy.Rollout) Target {
	return Target{Service: r.Service, Rollout: r.ID, Release: r.From, Gen: r.FromGen, Count: r.Before}
}
