package cli

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
)

type planCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Only these services of the file."`
	Force    bool     `help:"Plan for deploy --force."`
}

func (c *planCmd) Help() string {
	return `The steps are those of the very code that a deploy runs, with instances of paper. Nothing is
built: the files are taken as they are now.`
}

func (c *planCmd) Run(e *env) error {
	_, found, err := e.asked(c.Services)
	if err != nil {
		return err
	}
	plans := []control.Plan{}
	var specs []deploy.Service
	for _, s := range found {
		if err := migrationsNow(&s.Service); err != nil {
			return err
		}
		if _, err := fileFlags(&s.Service); err != nil {
			return err
		}
		if s.fleet != nil {
			if err := s.fleet.plan(e, s.Service, c.Force); err != nil {
				return err
			}
			continue
		}
		m, err := process.Digest(e, s.Dir, s.Files)
		if err != nil {
			return err
		}
		p, err := e.agent().Plan(e, control.DeployRequest{Spec: s.Service.Service, Env: s.Env, ReadEnv: s.ReadEnv, Tree: m.Digest, Force: c.Force})
		if err != nil {
			return err
		}
		plans, specs = append(plans, p), append(specs, s.Service.Service)
	}
	if len(plans) == 0 {
		return nil // each of the others has shown its own
	}
	return e.print(plans, func(w out) {
		for n, p := range plans {
			writePlan(w, p, specs[n])
		}
	})
}

func writePlan(w out, p control.Plan, s deploy.Service) {
	switch {
	case p.Nothing:
		fmt.Fprintf(w, "%s: nothing to do, release %d serves as the file says\n", p.Service, p.From)
		return
	case p.From == p.To:
		fmt.Fprintf(w, "%s: release %d stays, with %s\n", p.Service, p.To, plural(s.Replicas, "instance"))
	case p.From == 0:
		fmt.Fprintf(w, "%s: release %d is new, with %s\n", p.Service, p.To, plural(s.Replicas, "instance"))
	default:
		fmt.Fprintf(w, "%s: release %d takes the place of release %d, with %s\n", p.Service, p.To, p.From, plural(s.Replicas, "instance"))
	}
	if s.Build != "" {
		fmt.Fprintf(w, "  build first: %s (the plan takes the files as they are now)\n", s.Build)
	}
	if len(p.Prepare) > 0 {
		fmt.Fprintf(w, "  prepare first: %s, never done yet (`segue prepare` does it beforehand)\n", strings.Join(p.Prepare, ", "))
	}
	if s.Flags != "" {
		fmt.Fprintf(w, "  flags first: %s brings in those that it has and that have changed in it\n", s.Flags)
	}
	if p.Kept {
		fmt.Fprintf(w, "  release %d is kept from before and is used again\n", p.To)
	}
	if len(p.Changes) > 0 {
		fmt.Fprintf(w, "  settings that change: %s\n", strings.Join(p.Changes, ", "))
	}
	fmt.Fprintf(w, "  surge %d, unavailable %d; drain up to %s, stop up to %s\n", s.Strategy.Surge, s.Strategy.Unavailable, s.Drain.Timeout, s.Stop.Timeout)
	for n, stage := range p.Stages {
		fmt.Fprintf(w, "  stage %d  %s\n", n+1, stage)
	}
	for n, step := range p.Steps {
		fmt.Fprintf(w, "  %3d  %-17s %s\n", n+1, planWords[step.Verb], step.Instance+endNote(step))
	}
}

var planWords = map[deploy.Verb]string{
	deploy.StepStart: "start", deploy.StepReady: "wait until ready", deploy.StepShift: "send requests to", deploy.StepDrain: "drain",
	deploy.StepStage: "stage", deploy.StepExpanded: "expanded", deploy.StepBackfilled: "backfilled", deploy.StepStop: "stop", deploy.StepGone: "gone", deploy.StepEnd: "end",
}

func endNote(s deploy.Step) string {
	if s.Verb == deploy.StepEnd || s.Verb == deploy.StepStage {
		return s.Note
	}
	return ""
}
