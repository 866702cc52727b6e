package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type pauseCmd struct {
	Service string        `arg:"" optional:"" help:"The service, if there are several."`
	For     time.Duration `default:"30s" help:"How long at most; then it is resumed." placeholder:"TIME"`
	Max     int           `help:"How many requests may be parked; those beyond are answered 503. Default: proxy.hold.max." placeholder:"N"`
	Wait    bool          `help:"Return when no request is in flight any more."`
	Why     string        `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *pauseCmd) Help() string {
	return `Examples:
  segue pause --wait && ./move-the-database && segue resume
  segue pause api --for 2m --max 5000

New requests are parked in the order of their arrival, on whatever kind of connection; those in
flight go on. Deploys work meanwhile. To pause a paused service sets its end and its bound anew.
The agent, the proxy and segue itself may be killed or replaced meanwhile: the pause holds.`
}

func (c *pauseCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	p, err := e.agent().Pause(e, control.PauseRequest{Service: name, For: c.For, Max: c.Max, Who: who(), Why: c.Why, Wait: c.Wait})
	if err != nil {
		return err
	}
	if err := e.print(p, func(w out) {
		fmt.Fprintf(w, "%s: paused until %s; %s in flight\n", name, p.Until.Local().Format("15:04:05"), plural(p.InFlight, "request"))
	}); err != nil {
		return err
	}
	if c.Wait && p.InFlight > 0 {
		return &exitError{exitFailed, fmt.Sprintf("the pause is over, and %s never ended; give it longer with --for", plural(p.InFlight, "request"))}
	}
	return nil
}
