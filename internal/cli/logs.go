package cli

import (
	"encoding/json"

	"github.com/seguehq/segue/internal/control"
)

type logsCmd struct {
	Service  string `arg:"" optional:"" help:"Only this service."`
	Instance string `short:"i" help:"Only this instance, which may have ended."`
	Lines    int    `short:"n" default:"50" help:"How many lines of each instance."`
	Previous bool   `help:"On Kubernetes: of the container that ran before, which has crashed."`
	Follow   bool   `short:"f" help:"Go on with what is written from now on, by new instances too."`
}

func (c *logsCmd) Help() string {
	return `Examples:
  segue logs -n 200
  segue logs --follow api
  segue logs -i api-7.2

Agent and proxy write their own logs beside those of the instances, in the state folder's logs.`
}

func (c *logsCmd) Run(e *env) error {
	done, err := e.everywhere(c.Service, func(f fleet, names []string) error { return f.logs(e, names, *c) })
	if done || err != nil {
		return err
	}
	err = e.agent().Logs(e, control.LogsRequest{Service: c.Service, Instance: c.Instance, Lines: c.Lines, Follow: c.Follow}, func(l control.LogLine) error {
		if e.flags.JSON {
			return json.NewEncoder(e.out).Encode(l)
		}
		return logLine(e.out, l.Instance, l.Line)
	})
	if e.Err() != nil {
		return nil // Ctrl-C is how following ends
	}
	return err
}
