package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

type historyCmd struct {
	Service string `arg:"" optional:"" help:"Only this service."`
	Number  int    `short:"n" default:"20" help:"How many rollouts, newest first; 0 is all."`
}

func (c *historyCmd) Run(e *env) error {
	done, err := e.everywhere(c.Service, func(f fleet, names []string) error { return f.history(e, names, c.Number) })
	if done || err != nil {
		return err
	}
	rs, err := e.agent().History(e, c.Service, c.Number)
	if err != nil {
		return err
	}
	return e.print(rs, func(w out) { writeTable(w, func(t out) { writeHistory(t, rs) }) })
}

func writeHistory(t out, rs []deploy.Rollout) {
	fmt.Fprintln(t, "ROLLOUT\tSERVICE\tWHAT\tFROM\tTO\tWHEN\tTOOK\tWHO\tENDED\tWHY")
	for _, r := range rs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(r.ID), orAll(r.Service), r.Kind, orDash(r.From), orDash(r.To),
			r.Began.Local().Format("2006-01-02 15:04:05"), took(r), r.Who, endOf(r), whyOf(r))
	}
}

// endOf is how a rollout ended: of a contract there is nothing to roll back.
func endOf(r deploy.Rollout) deploy.Phase {
	if r.Kind == deploy.KindContract && r.Phase == deploy.RolledBack {
		return "failed"
	}
	return r.Phase
}

func took(r deploy.Rollout) string {
	if r.Ended.IsZero() {
		return "under way"
	}
	return ago(r.Ended.Sub(r.Began).Round(100 * time.Millisecond))
}

func whyOf(r deploy.Rollout) string {
	text := printable(firstLine(r.Why))
	if r.Reason != "" {
		text = printable(summary(r.Reason))
	}
	switch {
	case r.Expanded():
		text += fmt.Sprintf(" (the database keeps %s)", deploy.Migrations(r.Brings))
	case len(r.Brings) > 0 && r.Reason == "": // a reason says what it is about
		did := printable(firstLine(cmp.Or(r.Did, deploy.Migrations(r.Brings))))
		text = strings.TrimSuffix(did+": "+text, ": ")
	}
	if r.Against != "" {
		text += fmt.Sprintf(" (against: %s)", printable(r.Against))
	}
	return text
}
