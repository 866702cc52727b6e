package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
)

// Deploy makes a release of what is ordered and moves the service to it, telling
// show of all that happens. It returns when the rollout has ended, done or rolled
// back (its Phase), with ErrNothing when all is as asked, or with ErrLeft when ctx
// ended before. A rollout to the same release that was left is gone on with.
func (c *Cluster) Deploy(ctx context.Context, o Order, show func(Event)) (deploy.Rollout, error) {
	o.Spec.EnvNames = o.Env.Names()
	if err := suits(&o.Spec); err != nil {
		return deploy.Rollout{}, err
	}
	with := session{service: o.Spec.Name, who: o.Who, why: o.Why, dir: o.Dir, segue: o.Segue, drill: o.Drill, show: show}
	return c.change(ctx, with, o.Wait, func(ctx context.Context, s *session) (*Record, error) {
		salt, err := c.keepSalt(ctx, s.records)
		if err != nil {
			return nil, err
		}
		rel, made, err := s.releaseOf(o, salt)
		if err != nil {
			return nil, err
		}
		if s.open != nil && s.open.Tries() && s.open.To == rel.Number {
			return s.run(ctx, s.open, false)
		}
		if err := s.free(ctx); err != nil {
			return nil, err
		}
		if err := s.contractFirst(ctx, &rel, o.Now); err != nil {
			return nil, err
		}
		r, err := s.aim(ctx, o, rel)
		if err != nil {
			return nil, err
		}
		if err := c.ours(ctx, o, rel); err != nil {
			return nil, err
		}
		if !made {
			if err := s.keep(ctx, o, rel); err != nil {
				return nil, err
			}
		}
		return s.begin(ctx, r, s.placed(rel))
	})
}

// releaseOf is the release that is ordered: one that was made before, or the next.
func (s *session) releaseOf(o Order, salt []byte) (rel Release, made bool, err error) {
	what := o.Tree
	if what == "" {
		what = o.Image
	}
	digest, err := deploy.DigestOf(what, o.Spec, o.Env, salt)
	if err != nil {
		return rel, false, err
	}
	next := 1
	for _, r := range s.releases {
		if r.Digest == digest {
			return r, true, nil
		}
		next = max(next, r.Number+1)
	}
	rel = Release{Image: o.Image, Segue: o.Segue, Who: o.Who, Release: deploy.Release{
		Service: s.service, Number: next, Digest: digest, Tree: o.Tree, Spec: o.Spec, Made: time.Now(),
	}}
	if len(o.Env) > 0 {
		rel.EnvSecret = environmentName(s.service, o.Env, salt)
	}
	return rel, false, nil
}

// aim is the rollout that an order comes to.
func (s *session) aim(ctx context.Context, o Order, rel Release) (deploy.Rollout, error) {
	now := s.last.serves()
	r := deploy.Rollout{Kind: deploy.KindDeploy, To: rel.Number, Replicas: o.Spec.Replicas, Against: o.Against,
		Brings: s.brings(&rel), Fresh: !s.served() && !o.Adopt}
	if lacks := s.tooOld(&rel); len(lacks) > 0 { // which was refused unless it was to be
		r.Against = strings.TrimPrefix(r.Against+"; it has no migration "+deploy.Migrations(lacks)+", which is contracted", "; ")
	}
	scaled := autoscale(&o.Spec)
	if scaled != nil {
		live, err := s.c.replicas(ctx, now.deployment, scaled.Min)
		if err != nil {
			return r, err
		}
		r.Replicas = min(max(live, scaled.Min), scaled.Max)
	}
	if now.release != rel.Number || o.Force {
		return r, nil
	}
	if scaled != nil || now.replicas == r.Replicas {
		return r, ErrNothing
	}
	r.Kind = deploy.KindScale
	return r, nil
}

// placed says in which Deployment a release comes: in one of its own where the
// old one stays beside it.
func (s *session) placed(rel Release) func(*Record) {
	return func(rec *Record) {
		switch {
		case isBeside(&rel.Spec, rec):
			rec.New = besideName(s.service, rel.Number, rec.Old)
		case rec.From == rec.To && rec.Kind == deploy.KindDeploy: // by force
			rec.Restarted = rec.Began.UTC().Format(time.RFC3339)
		}
	}
}

// keep writes a release down, its environment first.
func (s *session) keep(ctx context.Context, o Order, rel Release) error {
	if err := s.c.keepEnvironment(ctx, s.records, o.Env, rel); err != nil {
		return err
	}
	if err := s.records.create(ctx, kindRelease, int64(rel.Number), rel); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return s.read(ctx)
}

// ours fails when something that the service is to be made of is somebody else's.
func (c *Cluster) ours(ctx context.Context, o Order, rel Release) error {
	if o.Adopt {
		return nil
	}
	all, err := manifest.All(&rel.Spec, rel.options(""))
	if err != nil {
		return err
	}
	for _, obj := range manifest.Bare(all) {
		ref := refOf(obj)
		labels, err := c.labels(ctx, obj)
		if IsGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if labels[LabelManagedBy] != Manager {
			return fmt.Errorf("%s in namespace %s was not made by segue, and would be changed: give the service another name, or take the object over with --adopt; nothing was changed", ref, c.Namespace)
		}
		if labels[LabelName] != rel.Service {
			return fmt.Errorf("%s in namespace %s belongs to the service %s; give one of them another name; nothing was changed", ref, c.Namespace, labels[LabelName])
		}
	}
	return nil
}

// suits fails for a service that cannot be deployed to a cluster as it says.
func suits(spec *deploy.Service) error {
	gateway := spec.Kubernetes != nil && spec.Kubernetes.Front.Gateway != ""
	switch preview := spec.Strategy.Preview; {
	case spec.Kubernetes != nil && spec.Kubernetes.Rollouts:
		return fmt.Errorf("%s is to be rolled out by Argo Rollouts, which segue only renders for: `segue render kubernetes`", spec.Name)
	case gateway:
		return nil
	case preview != nil && preview.Match != nil:
		return unroutable("strategy.preview.match")
	}
	if spec.Strategy.Type != deploy.Canary {
		return nil
	}
	for _, step := range spec.Strategy.Steps {
		switch {
		case step.Match != nil:
			return unroutable("a canary step by header or cookie")
		case step.Mirror > 0:
			return unroutable("a canary step with mirrored requests")
		}
	}
	return nil
}
