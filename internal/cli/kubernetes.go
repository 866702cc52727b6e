package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/internal/engine/process"
	"github.com/seguehq/segue/internal/image"
)

// cluster is the fleet of services in a namespace of a Kubernetes cluster.
type cluster struct {
	place kubernetes.Place
}

// kubernetes gives the cluster that runs a service, which the file may say more
// of; s may be nil.
func (e *env) kubernetes(w where, s *deploy.Service) fleet {
	p := kubernetes.Place{Context: w.context, Namespace: w.namespace}
	if s != nil && s.Kubernetes != nil { // settled: it says what w does
		p.Context, p.Namespace = s.Kubernetes.Context, s.Kubernetes.Namespace
	}
	return cluster{place: p}
}

func (k cluster) open(e *env) (*kubernetes.Cluster, error) {
	c, err := kubernetes.Open(k.place)
	if err != nil {
		return nil, &exitError{exitFailed, err.Error()}
	}
	return c, nil
}

func (k cluster) plan(e *env, s config.Service, force bool) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	o, err := e.order(s)
	if err != nil {
		return err
	}
	o.Force = force
	p, err := c.Plan(e, o)
	if err != nil {
		return err
	}
	return e.print(p, func(w out) { writeClusterPlan(w, c, p) })
}

// order is a deploy without an image that has yet to be built.
func (e *env) order(s config.Service) (kubernetes.Order, error) {
	o := kubernetes.Order{Spec: s.Service, Env: s.Env, Image: s.Kubernetes.Image, Dir: s.Dir, Who: who()}
	if o.Image != "" {
		return o, nil
	}
	m, err := process.Digest(e, s.Dir, s.Files)
	o.Tree = m.Digest
	return o, err
}

func (k cluster) deploy(e *env, s config.Service, f deployFlags) error {
	against, err := e.window(s, f)
	if err != nil {
		return err
	}
	own := *s.Kubernetes // with the repository, which --image stands for
	if f.Image != "" {
		s.Kubernetes.Image, s.Kubernetes.Repository = f.Image, ""
	}
	c, err := k.open(e)
	if err != nil {
		return err
	}
	e.say("%s: context %s, namespace %s", s.Name, c.Context, c.Namespace)
	if s.Kubernetes.Image == "" {
		if s.Kubernetes.Image, err = e.image(s, image.Spec{Repository: s.Kubernetes.Repository, Base: s.Kubernetes.Base}, f.NoBuild); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	if err := migrations(&s); err != nil {
		return err
	}
	o, err := e.order(s)
	if err != nil {
		return err
	}
	o.Image = s.Kubernetes.Image
	if s.Migrate != nil {
		if o.Segue, err = e.segueImage(&own, "a migration in the cluster"); err != nil {
			return err
		}
	}
	o.Now = f.Now && f.Why != ""
	o.Why, o.Against, o.Force, o.Wait, o.Adopt = f.Why, against, f.Force, f.Wait, f.Adopt
	if o.Drill, err = e.judge(c, &s, f.Drill); err != nil {
		return err
	}
	return e.rollout(s.Name, func(show func(kubernetes.Event)) (deploy.Rollout, error) { return c.Deploy(e, o, show) })
}

// image builds a release's files and pushes an image of them, to where spec says.
func (e *env) image(s config.Service, spec image.Spec, noBuild bool) (ref string, err error) {
	if spec.Repository == "" {
		return "", &exitError{exitUsage, "nothing says which image is run; write repository: … for one that Segue builds and pushes, or name one with --image"}
	}
	if err := e.build(s, noBuild); err != nil {
		return "", err
	}
	began := time.Now()
	spec.Service, spec.Dir, spec.Files, spec.Command = s.Name, s.Dir, s.Files, s.Command
	ref, err = image.Build(e, spec, func(p image.Progress) {
		switch {
		case p.Warning != "":
			fmt.Fprintln(e.err, "warning:", p.Warning)
		case p.Ended:
			e.say("%s: image of %s pushed in %s", s.Name, size(p.Size), round(time.Since(began)))
		}
	})
	if err == nil {
		e.say("%s: %s", s.Name, ref)
	}
	return ref, err
}

func (k cluster) rollback(e *env, service string, release int, f changeFlags) error {
	return k.change(e, service, f, kubernetes.Request{Release: release}, (*kubernetes.Cluster).Rollback)
}

func (k cluster) restart(e *env, service string, f changeFlags) error {
	return k.change(e, service, f, kubernetes.Request{}, (*kubernetes.Cluster).Restart)
}

func (k cluster) scale(e *env, service string, replicas int, f changeFlags) error {
	return k.change(e, service, f, kubernetes.Request{Replicas: replicas}, (*kubernetes.Cluster).Scale)
}

func (k cluster) contract(e *env, service string, now bool, f changeFlags) error {
	if now && f.Why == "" {
		return &exitError{exitUsage, "--now takes away the way back that is promised; say why with --why"}
	}
	err := k.change(e, service, f, kubernetes.Request{Now: now}, (*kubernetes.Cluster).Contract)
	if early := (*kubernetes.PromisedError)(nil); errors.As(err, &early) {
		return &exitError{exitNotNow, early.Error()}
	}
	return err
}

func (k cluster) down(e *env, service string, f changeFlags) error {
	return k.change(e, service, f, kubernetes.Request{}, (*kubernetes.Cluster).Down)
}

// change has the cluster do something with a service that runs, and follows it.
func (k cluster) change(e *env, service string, f changeFlags, q kubernetes.Request,
	do func(*kubernetes.Cluster, context.Context, kubernetes.Request, func(kubernetes.Event)) (deploy.Rollout, error)) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	q.Service, q.Who, q.Why, q.Wait = service, who(), f.Why, f.Wait
	q.Dir = filepath.Dir(e.flags.File) // a rollout that is gone on with may have checks by exec
	return e.rollout(service, func(show func(kubernetes.Event)) (deploy.Rollout, error) { return do(c, e, q, show) })
}

func (k cluster) promote(e *env, service string, full bool, why string) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	r, err := c.Promote(e, kubernetes.Request{Service: service, Who: who(), Why: why, Full: full})
	if err != nil {
		return err
	}
	return e.print(r, func(w out) {
		fmt.Fprintf(w, "%s: rollout %d is told to go on; who works on it sees it\n", service, r.ID)
	})
}

func (k cluster) history(e *env, services []string, most int) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	var all []deploy.Rollout
	for _, s := range services {
		rs, err := c.History(e, s, most)
		if err != nil {
			return err
		}
		for _, r := range rs {
			all = append(all, r.Rollout)
		}
	}
	return e.print(all, func(w out) { writeTable(w, func(t out) { writeHistory(t, all) }) })
}

func (k cluster) releases(e *env, services []string) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	var all []kubernetes.Release
	for _, s := range services {
		rs, err := c.Releases(e, s)
		if err != nil {
			return err
		}
		all = append(all, rs...)
	}
	return e.print(all, func(w out) { writeTable(w, func(t out) { writeClusterReleases(t, all) }) })
}

func (k cluster) logs(e *env, services []string, f logsCmd) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	if len(services) > 1 && f.Follow {
		return &exitError{exitUsage, "which service is to be followed? Name one"}
	}
	for _, s := range services {
		q := kubernetes.LogQuery{Service: s, Pod: f.Instance, Lines: f.Lines, Follow: f.Follow, Previous: f.Previous}
		err := c.Logs(e, q, func(l kubernetes.LogLine) error {
			if e.flags.JSON {
				return json.NewEncoder(e.out).Encode(l)
			}
			return logLine(e.out, l.Pod, l.Line)
		})
		if err != nil && e.Err() == nil {
			return err
		}
	}
	return nil // Ctrl-C is how following ends
}

// rollout has something done to a service, shows how that goes, and tells how it
// ended.
func (e *env) rollout(service string, do func(show func(kubernetes.Event)) (deploy.Rollout, error)) error {
	v := &clusterView{e: e}
	r, err := do(v.show)
	v.close()
	switch {
	case errors.Is(err, kubernetes.ErrNothing):
		return e.nothing(service)
	case errors.Is(err, kubernetes.ErrLeft):
		return &exitError{exitFailed, err.Error()}
	case err != nil:
		return err
	}
	return e.over(r)
}
