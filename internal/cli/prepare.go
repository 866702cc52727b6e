package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type prepareCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Only these services of the file."`
	List     bool     `help:"Show which steps were done, and run none."`
	Again    []string `help:"Run this step although it was done." placeholder:"STEP"`
	Why      string   `help:"Why, for those who are told when it fails." placeholder:"TEXT"`
	NoBuild  bool     `help:"Do not run release.build; take the files as they are."`
}

func (c *prepareCmd) Help() string {
	return `Examples:
  segue prepare                      long before: segue deploy
  segue prepare --list
  segue prepare api --again warm-cache

The release is built and sent as for a deploy, and the steps under prepare in segue.yaml that were
never done for the service are run in its folder, with its environment. The release that serves
goes on serving. A step that was done is not run again, neither here nor by a deploy, until its
name or its command changes. Ctrl-C calls the step that runs off; the exit code is 1 then, and when
one fails.`
}

func (c *prepareCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	services, err := chosen(f, c.Services)
	if err != nil {
		return err
	}
	agent := e.agent()
	var all []step
	for _, s := range services {
		steps, err := c.one(e, agent, s)
		all = append(all, steps...)
		if err != nil {
			return errors.Join(e.print(all, func(out) {}), err)
		}
	}
	return e.print(all, func(w out) {
		switch {
		case len(all) == 0:
			fmt.Fprintln(w, "nothing to prepare: segue.yaml has no steps under prepare")
		case c.List:
			writeTable(w, func(t out) { writeSteps(t, all) })
		}
	})
}

// A step is what --json prints of one.
type step struct {
	Service string              `json:"service"`
	Name    string              `json:"name"`
	Command []string            `json:"command"`
	Done    *deploy.Preparation `json:"done,omitempty"`
	Error   string              `json:"error,omitempty"` // why it was not done now
}

// one prepares a service, or lists its steps.
func (c *prepareCmd) one(e *env, agent *control.Client, s config.Service) ([]step, error) {
	steps, err := stepsOf(e, agent, s.Service)
	if err != nil || c.List || len(steps) == 0 {
		return steps, err
	}
	again := c.Again
	if len(c.Services) == 0 { // of several services, those that have such a step
		again = c.ofThis(s.Prepare)
	}
	if len(again) == 0 && allDone(steps) {
		e.say("%s: all steps were done before", s.Name)
		return steps, nil
	}
	tree, err := e.release(agent, s, c.NoBuild)
	if err != nil {
		return steps, fmt.Errorf("%s: %w", s.Name, err)
	}
	q := control.PrepareRequest{DeployRequest: control.DeployRequest{Spec: s.Service, Env: s.Env, ReadEnv: s.ReadEnv, Tree: tree, Who: who(), Why: c.Why}, Again: again}
	failed, err := e.prepare(agent, q)
	if err != nil {
		return steps, err
	}
	if steps, err = stepsOf(e, agent, s.Service); err != nil {
		return steps, err
	}
	for n := range steps {
		if steps[n].Name == failed.Step && failed.Error != "" {
			steps[n].Error = failed.Error
			return steps, &exitError{exitFailed, fmt.Sprintf("%s: the service was not touched; %s", s.Name, printable(failed.Error))}
		}
	}
	return steps, nil
}

// ofThis picks those of --again that a service has.
func (c *prepareCmd) ofThis(steps []deploy.Hook) []string {
	var out []string
	for _, name := range c.Again {
		for _, h := range steps {
			if h.Name == name {
				out = append(out, name)
			}
		}
	}
	return out
}

// stepsOf lists a service's steps, and when they were done.
func stepsOf(ctx context.Context, agent *control.Client, s deploy.Service) ([]step, error) {
	if len(s.Prepare) == 0 {
		return nil, nil
	}
	done, err := agent.Preparations(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	var out []step
	for _, h := range s.Prepare {
		x := step{Service: s.Name, Name: h.Name, Command: h.Command}
		for _, p := range done {
			if p.Name == h.Name && p.Digest == h.Digest() {
				x.Done = &p
				break
			}
		}
		out = append(out, x)
	}
	return out, nil
}

func allDone(steps []step) bool {
	for _, s := range steps {
		if s.Done == nil {
			return false
		}
	}
	return true
}

// prepare runs what is to be run and shows it. It returns the event of the step
// that failed, if one did. What an agent that goes has not ended, the next one
// begins again.
func (e *env) prepare(agent *control.Client, q control.PrepareRequest) (failed control.PrepareEvent, err error) {
	var gone time.Time
	for {
		err = agent.Prepare(e, q, func(ev control.PrepareEvent) error {
			gone = time.Time{}
			if ev.State == control.PrepareFailed {
				failed = ev
			}
			if ev.State == control.PrepareDone { // also if the agent goes now
				q.Again = without(q.Again, ev.Step)
			}
			e.sayStep(q.Spec.Name, ev)
			return nil
		})
		if e.Err() != nil {
			return failed, &exitError{exitFailed, q.Spec.Name + ": called off; the service was not touched, and what was done is remembered"}
		}
		if err == nil || !isAway(err) {
			return failed, err
		}
		if gone.IsZero() {
			gone = time.Now()
			e.say("%s: the agent has gone; the step is run again when it is back", q.Spec.Name)
		}
		if time.Since(gone) > patience {
			return failed, err
		}
		if err := pause(e, 100*time.Millisecond); err != nil {
			return failed, err
		}
	}
}

func without(names []string, name string) []string {
	var out []string
	for _, n := range names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}

func (e *env) sayStep(service string, ev control.PrepareEvent) {
	switch ev.State {
	case control.PrepareKnown:
		e.say("%s: %s was done %s by %s, with release %d", service, ev.Step, day(ev.Preparation.Ended), ev.Preparation.Who, ev.Preparation.Release)
	case control.PrepareBegun:
		e.say("%s: %s runs", service, ev.Step)
	case control.PrepareRuns:
		e.say("%s: %s: %s", service, ev.Step, printable(ev.Line))
	case control.PrepareDone:
		e.say("%s: %s is done, after %s", service, ev.Step, round(ev.Preparation.Ended.Sub(ev.Preparation.Began)))
	}
}

func day(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func writeSteps(t out, steps []step) {
	fmt.Fprintln(t, "SERVICE\tSTEP\tDONE\tRELEASE\tWHO\tTOOK\tCOMMAND")
	for _, s := range steps {
		when, release, by, took := "never", "-", "-", "-"
		if p := s.Done; p != nil {
			when, release, by, took = day(p.Ended), orDash(p.Release), p.Who, ago(p.Ended.Sub(p.Began))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Service, s.Name, when, release, by, took, printable(strings.Join(s.Command, " ")))
	}
}
