package cli

import (
	"fmt"

	"github.com/seguehq/segue/internal/control"
)

type promoteCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
	Full    bool   `help:"Through all stages, whatever they wait for."`
	Why     string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *promoteCmd) Help() string {
	return `Examples:
  segue promote                  # blue-green: the new side has been looked at, switch
  segue promote --full --why "urgent, seen on staging"

The stage in which the rollout waits is passed, whatever it still waits for: time, requests, checks.
When the command returns, the next request is routed as the next stage says. ` + "`segue status`" + ` shows
the stage and what it waits for; ` + "`segue rollback`" + ` undoes the rollout instead.`
}

func (c *promoteCmd) Run(e *env) error {
	name, done, err := e.there(c.Service, func(f fleet, name string) error { return f.promote(e, name, c.Full, c.Why) })
	if done || err != nil {
		return err
	}
	if name, err = e.one(name); err != nil {
		return err
	}
	p, err := e.agent().Promote(e, control.PromoteRequest{Service: name, Full: c.Full, Who: who(), Why: c.Why})
	if err != nil {
		return err
	}
	return e.print(p, func(w out) {
		switch {
		case p.Stage != nil:
			fmt.Fprintf(w, "%s: rollout %d is at stage %d of %d, %s\n", name, p.Rollout.ID, p.Stage.Number+1, p.Stage.Of, p.Stage.Name)
		case p.Over:
			fmt.Fprintf(w, "%s: rollout %d goes forward no more; `segue history` tells how it ended\n", name, p.Rollout.ID)
		default:
			fmt.Fprintf(w, "%s: rollout %d goes on\n", name, p.Rollout.ID)
		}
	})
}
