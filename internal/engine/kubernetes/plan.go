package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
)

// Plan says what Deploy would do, and changes nothing.
func (c *Cluster) Plan(ctx context.Context, o Order) (Plan, error) {
	o.Spec.EnvNames = o.Env.Names()
	if err := suits(&o.Spec); err != nil {
		return Plan{}, err
	}
	s := &session{c: c, records: records{c, o.Spec.Name}, service: o.Spec.Name, who: o.Who, show: func(Event) {}}
	if err := s.read(ctx); err != nil {
		return Plan{}, err
	}
	salt, err := c.salt(ctx, s.records)
	if err != nil {
		return Plan{}, err
	}
	rel, _, err := s.releaseOf(o, salt)
	if err != nil {
		return Plan{}, err
	}
	due, err := s.dueBefore(&rel, false)
	if err != nil {
		return Plan{}, err
	}
	r, err := s.aim(ctx, o, rel)
	p := Plan{Service: o.Spec.Name, Kind: r.Kind, From: s.last.serves().release, To: rel.Number, Nothing: errors.Is(err, ErrNothing), Warnings: warnings(&o.Spec, o)}
	if err != nil && !p.Nothing {
		return Plan{}, err
	}
	if due != nil {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the contract of %s is due since %s, and is done first", deploy.Migrations(due.Migrations), due.At.Local().Format(time.DateTime)))
	}
	if s.open != nil {
		p.Warnings = append(p.Warnings, fmt.Sprintf("rollout %d to release %d is under way, or was left by %s", s.open.ID, s.open.To, s.open.Who))
	}
	if err := c.ours(ctx, o, rel); err != nil {
		return Plan{}, err
	}
	rec := s.record(r, s.placed(rel))
	if !p.Nothing {
		p.Stages = told(&o.Spec, rec)
	}
	err = c.compare(ctx, rel, rec, &p)
	return p, err
}

// compare adds to a plan what becomes of the service's objects until the rollout
// is over.
func (c *Cluster) compare(ctx context.Context, rel Release, rec *Record, p *Plan) error {
	d, err := rel.deployment(shape{name: rec.New, replicas: rec.Replicas, restarted: rec.Restarted})
	if err != nil {
		return err
	}
	all, err := manifest.All(&rel.Spec, rel.options(rec.New))
	if err != nil {
		return err
	}
	objs := []runtime.Object{d}
	for _, o := range manifest.Bare(all) {
		if refOf(o).Kind != "Deployment" {
			objs = append(objs, o)
		}
	}
	for _, o := range objs {
		changes, err := c.Compare(ctx, o)
		var held *ConflictError
		if errors.As(err, &held) {
			p.Warnings = append(p.Warnings, takenOver(held))
			changes, err = c.applyAll(ctx, []runtime.Object{o}, applying{dry: true, force: true})
		}
		if err != nil {
			return err
		}
		p.Changes = append(p.Changes, changes...)
	}
	if rec.Old != "" && rec.Old != rec.New {
		p.Changes = append(p.Changes, Change{Ref: Ref{"Deployment", rec.Old}, Op: Removed})
	}
	return nil
}

// told lists a rollout's stages for people, with the share that pods come to.
func told(spec *deploy.Service, rec *Record) []string {
	var out []string
	for _, st := range stagesOf(spec, rec) {
		text := st.String()
		if st.Split && isBeside(spec, rec) && !routed(spec) && st.Share > 0 && st.Share < 100 {
			text += fmt.Sprintf(" (by %d of %d pods: %d %% of the requests)", st.New, st.New+st.Old, share(&st))
		}
		out = append(out, text)
	}
	return out
}

// warnings tell of what a service asks for and does not get in a cluster.
func warnings(spec *deploy.Service, o Order) []string {
	out := manifest.Notes(spec)
	if spec.Strategy.Analysis != nil {
		text := "strategy.analysis compares what Segue's proxy counts, and there is none in a cluster"
		if len(spec.Strategy.Checks) == 0 && o.Drill == nil {
			text += ": nothing but probes and crashes tells a bad release; add strategy.checks or a drill"
		}
		out = append(out, text)
	}
	if spec.Strategy.Type == deploy.Canary && spec.Strategy.Stick != "" && spec.Strategy.Stick != deploy.StickNone {
		out = append(out, fmt.Sprintf("strategy.stick: %s is the proxy's; in a cluster each request is divided on its own", spec.Strategy.Stick))
	}
	return out
}
