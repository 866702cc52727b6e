package agent

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// Plan implements control.Agent: it runs the very rollout that a deploy would
// run, on a fleet of paper, and tells the steps.
func (a *Agent) Plan(ctx context.Context, q control.DeployRequest) (control.Plan, error) {
	q.Spec.EnvNames = q.Env.Names()
	digest, err := a.digest(ctx, q)
	if err != nil {
		return control.Plan{}, err
	}
	kept, err := a.journal.Releases(ctx, q.Spec.Name)
	if err != nil {
		return control.Plan{}, err
	}
	p := control.Plan{Service: q.Spec.Name, To: 1}
	if len(kept) > 0 {
		p.To = kept[0].Number + 1
	}
	for _, r := range kept {
		if r.Digest == digest {
			p.To, p.Kept = r.Number, true
		}
	}
	r := deploy.Rollout{ID: -1, Service: q.Spec.Name, Kind: deploy.KindDeploy, To: p.To, ToGen: -1, Replicas: q.Spec.Replicas, Phase: deploy.Forward}
	var fleet []deploy.Instance
	brought := q.Spec.Migrate.Has()
	if s := a.service(q.Spec.Name); s != nil {
		c := s.now()
		p.From, r.From, r.FromGen, r.Before = c.Release, c.Release, c.Gen, c.Replicas
		fleet = s.fleet.List()
		p.Changes = changes(s.spec(c.Release), q.Spec)
		if c.Release != 0 {
			brought = s.spec(c.Release).Migrate.Lacks(brought)
		}
	}
	if p.From == p.To && !q.Force {
		r.Kind, r.ToGen = deploy.KindScale, r.FromGen
		p.Nothing = r.Before == r.Replicas
	}
	if !p.Nothing {
		r.Brings = brought
		if q.Spec.Prepare, err = a.unprepared(ctx, q.Spec); err != nil {
			return p, err
		}
		for _, h := range q.Spec.Prepare {
			p.Prepare = append(p.Prepare, h.Name)
		}
		p.Steps, err = simulate(ctx, q.Spec, r, fleet)
		p.Stages = stageWords(&q.Spec, r)
	}
	return p, err
}

// changes names the settings that differ; never values of the environment.
func changes(old, next deploy.Service) []string {
	if old.Command == nil {
		return nil
	}
	var out []string
	a, b := reflect.ValueOf(old), reflect.ValueOf(next)
	for n := range a.NumField() {
		if !reflect.DeepEqual(a.Field(n).Interface(), b.Field(n).Interface()) {
			out = append(out, a.Type().Field(n).Name)
		}
	}
	return out
}

// paper is a world in which everything works at once.
type paper struct {
	mu    sync.Mutex
	steps []deploy.Step
	n     int
}

func simulate(ctx context.Context, spec deploy.Service, r deploy.Rollout, fleet []deploy.Instance) ([]deploy.Step, error) {
	w := &paper{}
	fleet = slices.DeleteFunc(fleet, func(i deploy.Instance) bool { return i.State != deploy.Serving })
	r.Promoted = math.MaxInt // nothing is waited for
	_, err := rollout.Run(ctx, rollout.Parts{Engine: w, Prober: w, Router: paperRouter{}, Journal: paperJournal{w}, Tasks: w,
		Fleet: rollout.NewFleet(fleet), Spec: spec, AtOnce: 1}, r)
	return w.steps, err
}

func (*paper) Start(context.Context, deploy.Instance) error     { return nil }
func (*paper) Stop(context.Context, deploy.Instance) error      { return nil }
func (*paper) WaitReady(context.Context, deploy.Instance) error { return nil }

func (*paper) Run(context.Context, deploy.Rollout, int, deploy.Hook, func(string)) error { return nil }

// stageWords tells the stages of a rollout to people, if there are several.
func stageWords(spec *deploy.Service, r deploy.Rollout) []string {
	stages := rollout.Plan(spec, r)
	if len(stages) < 2 {
		return nil
	}
	var out []string
	for n := range stages {
		out = append(out, stages[n].String())
	}
	return out
}

type paperRouter struct{}

func (paperRouter) Sync(context.Context) error                   { return nil }
func (paperRouter) Shift(context.Context, deploy.Instance) error { return nil }
func (paperRouter) Drain(context.Context, deploy.Instance) error { return nil }
func (paperRouter) Drop(context.Context, deploy.Instance) error  { return nil }

type paperJournal struct{ *paper }

func (p paperJournal) Start(_ context.Context, id int64, i *deploy.Instance) (deploy.Step, error) {
	p.mu.Lock()
	p.n++
	i.ID, i.State = fmt.Sprintf("%s-%d.new%d", i.Service, i.Release, p.n), deploy.Starting
	p.mu.Unlock()
	s := deploy.Step{At: time.Now(), Rollout: id, Service: i.Service, Verb: deploy.StepStart, Instance: i.ID, Release: i.Release}
	return s, p.Append(context.Background(), &s)
}

func (p paperJournal) Append(_ context.Context, s *deploy.Step) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Seq = int64(len(p.steps) + 1)
	p.steps = append(p.steps, *s)
	return nil
}
