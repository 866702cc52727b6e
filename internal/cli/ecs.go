package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/ecs"
	"github.com/seguehq/segue/internal/image"
)

// ecsCluster is the fleet of services in a cluster of ECS.
type ecsCluster struct{ place ecs.Place }

// ecs gives the cluster that runs a service; s may be nil.
func (e *env) ecs(s *deploy.Service) fleet {
	var p ecs.Place
	if s != nil && s.ECS != nil {
		p.Region, p.Cluster = s.ECS.Region, s.ECS.Cluster
	}
	return ecsCluster{p}
}

func (k ecsCluster) open(e *env) (*ecs.Cluster, error) {
	c, err := ecs.Open(e, k.place)
	if err != nil {
		return nil, &exitError{exitFailed, err.Error()}
	}
	return c, nil
}

func (k ecsCluster) plan(e *env, s config.Service, force bool) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	o := ecsOrder(s)
	o.Force = force
	p, err := c.Plan(e, o)
	if err != nil {
		return err
	}
	return e.print(p, func(w out) { writeECSPlan(w, c, p) })
}

// ecsOrder is a deploy without an image that has yet to be built.
func ecsOrder(s config.Service) ecs.Order {
	o := ecs.Order{Spec: s.Service, Env: s.Env, Who: who()}
	if s.ECS != nil && s.ECS.Repository != "" {
		o.Argv = image.Argv(s.Name, s.Command)
	}
	return o
}

func (k ecsCluster) deploy(e *env, s config.Service, f deployFlags) error {
	switch {
	case f.Drill != "":
		return &exitError{exitUsage, "--drill is for Kubernetes; here, hold the whole command under one: segue drill URL -- segue deploy"}
	case f.Adopt:
		return &exitError{exitUsage, "--adopt is for Kubernetes; on ECS a service of the same name is taken over"}
	}
	against, err := e.window(s, f)
	if err != nil {
		return err
	}
	o := ecsOrder(s)
	if o.Image = f.Image; o.Image != "" {
		o.Argv = nil
	} else if s.ECS != nil && s.ECS.Image == "" {
		if _, err := ecs.Render(&o.Spec, ecs.Options{Env: o.Env, Argv: o.Argv}); err != nil { // before a build that is for nothing
			return refusedByECS(e, s.Name, err)
		}
		if o.Image, err = e.image(s, ecsImage(s), f.NoBuild); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	c, err := k.open(e)
	if err != nil {
		return err
	}
	e.say("%s: cluster %s in %s", s.Name, c.Name, c.Region)
	o.Why, o.Against, o.Force, o.Wait = f.Why, against, f.Force, f.Wait
	return e.onECS(s.Name, func(show func(ecs.Event)) (deploy.Rollout, error) { return c.Deploy(e, o, show) })
}

// ecsImage is where the image of a release goes, and what is to run it.
func ecsImage(s config.Service) image.Spec {
	nodes := []string{"amd64"}
	if s.ECS.Architecture != "" {
		nodes = []string{s.ECS.Architecture}
	}
	return image.Spec{Repository: s.ECS.Repository, Base: s.ECS.Base, Nodes: nodes}
}

// refusedByECS tells all that ECS cannot do of what the file asks.
func refusedByECS(e *env, service string, err error) error {
	var faults ecs.Faults
	if !errors.As(err, &faults) {
		return err
	}
	for _, f := range faults {
		fmt.Fprintf(e.err, "%s: %s: %s\nmend: %s\n", service, f.Key, f.What, f.Mend)
	}
	return &exitError{code: exitUsage}
}

func (k ecsCluster) rollback(e *env, service string, release int, f changeFlags) error {
	return k.change(e, ecs.Request{Service: service, Release: release}, f, (*ecs.Cluster).Rollback)
}

func (k ecsCluster) restart(e *env, service string, f changeFlags) error {
	return k.change(e, ecs.Request{Service: service}, f, (*ecs.Cluster).Restart)
}

func (k ecsCluster) scale(e *env, service string, replicas int, f changeFlags) error {
	return k.change(e, ecs.Request{Service: service, Replicas: replicas}, f, (*ecs.Cluster).Scale)
}

func (k ecsCluster) contract(*env, string, bool, changeFlags) error {
	return &exitError{exitUsage, "on ECS nothing of Segue's changes a database; say `segue migrate contract --dir DIR --url-from NAME` where the database can be reached, when the tasks of the old release are gone"}
}

func (k ecsCluster) down(e *env, service string, f changeFlags) error {
	return k.change(e, ecs.Request{Service: service}, f, (*ecs.Cluster).Down)
}

// change has the cluster do something with a service that runs, and follows it.
func (k ecsCluster) change(e *env, q ecs.Request, f changeFlags,
	do func(*ecs.Cluster, context.Context, ecs.Request, func(ecs.Event)) (deploy.Rollout, error)) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	q.Who, q.Why, q.Wait = who(), f.Why, f.Wait
	return e.onECS(q.Service, func(show func(ecs.Event)) (deploy.Rollout, error) { return do(c, e, q, show) })
}

// onECS has something done to a service, shows how that goes, and tells how it
// ended.
func (e *env) onECS(service string, do func(show func(ecs.Event)) (deploy.Rollout, error)) error {
	began := time.Now()
	r, err := do(func(ev ecs.Event) {
		at := ""
		if ev.Kind != ecs.EventNote {
			at = since(began, time.Now())
		}
		e.say("%8s  %s", at, printable(ev.Text))
	})
	switch {
	case errors.Is(err, ecs.ErrNothing):
		return e.nothing(service)
	case errors.Is(err, ecs.ErrLeft):
		return &exitError{exitFailed, err.Error()}
	case err != nil:
		return refusedByECS(e, service, err)
	}
	r.Ended = cmp.Or(r.Ended, time.Now())
	return e.over(r)
}

func (k ecsCluster) promote(e *env, service string, full bool, why string) error {
	if full {
		return &exitError{exitUsage, "ECS can skip no stages; promote each of them"}
	}
	c, err := k.open(e)
	if err != nil {
		return err
	}
	if err := c.Promote(e, ecs.Request{Service: service, Who: who(), Why: why}); err != nil {
		return err
	}
	return e.print(map[string]bool{"promoted": true}, func(w out) { fmt.Fprintf(w, "%s: ECS goes on\n", service) })
}

func (k ecsCluster) history(e *env, services []string, most int) error {
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
		all = append(all, rs...)
	}
	return e.print(all, func(w out) { writeTable(w, func(t out) { writeHistory(t, all) }) })
}

// releasesShown is how many releases are asked for, one request each.
const releasesShown = 20

func (k ecsCluster) releases(e *env, services []string) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	var all []ecs.Release
	for _, s := range services {
		rs, err := c.Releases(e, s, releasesShown)
		if err != nil {
			return err
		}
		all = append(all, rs...)
	}
	return e.print(all, func(w out) { writeTable(w, func(t out) { writeECSReleases(t, all) }) })
}

// logs are CloudWatch's: the AWS CLI reads them well, and Segue has no client.
func (k ecsCluster) logs(e *env, services []string, f logsCmd) error {
	group := "GROUP"
	if found, err := e.inFile(); err == nil {
		for _, s := range found {
			if s.ECS != nil && s.ECS.LogGroup != "" && s.Name == services[0] {
				group = s.ECS.LogGroup
			}
		}
	}
	return &exitError{exitFailed, fmt.Sprintf("CloudWatch keeps the logs of tasks: aws logs tail %s --follow --log-stream-name-prefix %s/", group, services[0])}
}
