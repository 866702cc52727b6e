package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type historyCmd struct {
	Service string `arg:"" optional:"" help:"Only this service."`
	Number  int    `short:"n" default:"20" help:"How many rollouts, newest first; 0 is all."`
}

func (c *historyCmd) Run(e *env) error {
	rs, err := e.agent().History(e, c.Service, c.Number)
	if err != nil {
		return err
	}
	return e.print(rs, func(w out) { writeTable(w, func(t out) { writeHistory(t, rs) }) })
}

func writeHistory(t out, rs []deploy.Rollout) {
	fmt.Fprintln(t, "ROLLOUT\tSERVICE\tWHAT\tFROM\tTO\tWHEN\tTOOK\tWHO\tENDED\tWHY")
	for _, r := range rs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(r.ID), r.Service, r.Kind, orDash(r.From), orDash(r.To),
			r.Began.Local().Format("2006-01-02 15:04:05"), took(r), r.Who, r.Phase, whyOf(r))
	}
}

func took(r deploy.Rollout) string {
	if r.Ended.IsZero() {
		return "under way"
	}
	return ago(r.Ended.Sub(r.Began).Round(100 * time.Millisecond))
}

func whyOf(r deploy.Rollout) string {
	if r.Reason != "" {
		return printable(summary(r.Reason))
	}
	return printable(firstLine(r.Why))
}
