package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/seguehq/segue/internal/control"
)

// changeFlags are those of commands that change a service that is up.
type changeFlags struct {
	Why  string `help:"Why, for the history." placeholder:"TEXT"`
	Wait bool   `help:"Wait for a rollout that is under way instead of being refused."`
}

// change asks the agent for a change and follows it.
func (e *env) change(service string, c changeFlags, q control.Request, ask func(*control.Client, context.Context, control.Request) (control.Begun, error)) error {
	name, err := e.one(service)
	if err != nil {
		return err
	}
	q.Service, q.Who, q.Why, q.Wait = name, who(), c.Why, c.Wait
	agent := e.agent()
	b, err := ask(agent, e, q)
	if err != nil {
		return err
	}
	return e.follow(agent, name, b)
}

type rollbackCmd struct {
	changeFlags `kong:"embed"`
	Args        []string `arg:"" optional:"" name:"service|release" help:"The service, if there are several; the release, if it is not the one before."`
}

func (c *rollbackCmd) Help() string {
	return `Examples:
  segue rollback                 to the release that served before, or undo the rollout under way
  segue rollback 7               to release 7
  segue rollback api 7

It takes no build: kept releases are ready to run (segue releases).`
}

func (c *rollbackCmd) Run(e *env) error {
	service, release := "", 0
	for _, a := range c.Args {
		if n, err := strconv.Atoi(a); err == nil && n > 0 {
			release = n
		} else if service == "" {
			service = a
		} else {
			return &exitError{exitUsage, fmt.Sprintf("rollback: %q is neither a service nor a release's number", a)}
		}
	}
	service, done, err := e.there(service, func(f fleet, name string) error { return f.rollback(e, name, release, c.changeFlags) })
	if done || err != nil {
		return err
	}
	return e.change(service, c.changeFlags, control.Request{Release: release}, (*control.Client).Rollback)
}

type scaleCmd struct {
	changeFlags `kong:"embed"`
	Args        []string `arg:"" name:"service|replicas" help:"The service, if there are several, and how many instances."`
}

func (c *scaleCmd) Help() string {
	return `Examples:
  segue scale 5
  segue scale api 5

It holds until the next deploy, which sets what segue.yaml says.`
}

func (c *scaleCmd) Run(e *env) error {
	service, count := "", c.Args[len(c.Args)-1]
	if len(c.Args) == 2 {
		service = c.Args[0]
	}
	n, err := strconv.Atoi(count)
	if err != nil || len(c.Args) > 2 {
		return &exitError{exitUsage, fmt.Sprintf("scale: how many? %q is no number; write `segue scale [SERVICE] 3`", count)}
	}
	service, done, err := e.there(service, func(f fleet, name string) error { return f.scale(e, name, n, c.changeFlags) })
	if done || err != nil {
		return err
	}
	return e.change(service, c.changeFlags, control.Request{Replicas: n}, (*control.Client).Scale)
}

type restartCmd struct {
	changeFlags `kong:"embed"`
	gateFlags   `kong:"embed"`
	Service     string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *restartCmd) Run(e *env) error {
	name, done, err := e.there(c.Service, func(f fleet, name string) error { return f.restart(e, name, c.changeFlags) })
	if done || err != nil {
		return err
	}
	q := control.Request{Permit: c.permit()}
	return e.change(name, c.changeFlags, q, func(agent *control.Client, ctx context.Context, q control.Request) (control.Begun, error) {
		gate := control.PassRequest{Permit: q.Permit, Service: q.Service, Who: q.Who, Why: q.Why, Wait: q.Wait, WaitWindow: c.WaitWindow}
		return e.passing(agent, gate, func() (control.Begun, error) { return agent.Restart(ctx, q) })
	})
}

type downCmd struct {
	changeFlags `kong:"embed"`
	Service     string `arg:"" optional:"" help:"The service, if there are several."`
	All         bool   `help:"All services of the agent."`
	Agent       bool   `help:"With --all: end the agent and the proxy, too."`
}

func (c *downCmd) Run(e *env) error {
	if !c.All {
		name, done, err := e.there(c.Service, func(f fleet, name string) error { return f.down(e, name, c.changeFlags) })
		if done || err != nil {
			return err
		}
		return e.change(name, c.changeFlags, control.Request{}, (*control.Client).Down)
	}
	if err := e.onlyHere("down --all"); err != nil {
		return err
	}
	st, err := e.agent().Status(e)
	if err != nil {
		return err
	}
	for _, s := range st.Services {
		if s.Release == 0 {
			continue
		}
		if err := e.change(s.Name, c.changeFlags, control.Request{}, (*control.Client).Down); err != nil {
			return err
		}
	}
	if c.Agent {
		return e.endAll()
	}
	return nil
}
