package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type resumeCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *resumeCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	r, err := e.agent().Resume(e, control.Request{Service: name, Who: who()})
	if err != nil {
		return err
	}
	return e.print(r, func(w out) {
		if r.Nothing {
			fmt.Fprintf(w, "%s is not paused\n", name)
			return
		}
		fmt.Fprintf(w, "%s: resumed after %s; %s went on\n", name, ago(time.Since(r.Began)), plural(r.Parked, "request"))
	})
}
