package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/calendar"
	"github.com/seguehq/segue/internal/control"
)

type freezeCmd struct {
	On     freezeOnCmd     `cmd:"" help:"Refuse deploys and restarts, of one service or of all."`
	Off    freezeOffCmd    `cmd:"" help:"End a freeze."`
	Status freezeStatusCmd `cmd:"" help:"Show what holds up deploys now."`
}

func (c *freezeCmd) Help() string {
	return `Examples:
  segue freeze on --until 2027-01-05 --why "holidays"
  segue freeze on shop --until "18:00" --why "the sale"
  segue freeze off
  segue freeze status

It does not hold up rollback, scale and down. A deploy goes against it with --now --why "…",
which the history tells. Freezes that are known long before go into segue.yaml, under freeze.`
}

type freezeOnCmd struct {
	Service string `arg:"" optional:"" help:"Only this service. Default: all."`
	Until   string `help:"When it ends: a day, which is frozen too (2027-01-05), a time (\"2027-01-05 08:00\", \"18:00\"), or how long (2h). Default: with freeze off." placeholder:"TIME"`
	Zone    string `help:"Time zone of --until. Default: this machine's." placeholder:"Europe/Berlin"`
	Why     string `required:"" help:"Why; who is refused is told." placeholder:"TEXT"`
}

func (c *freezeOnCmd) Run(e *env) error {
	until, err := c.until(time.Now())
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	f, err := e.agent().Freeze(e, control.FreezeRequest{Service: c.Service, Until: until, Who: who(), Why: c.Why})
	if err != nil {
		return err
	}
	return e.print(f, func(w out) { fmt.Fprintf(w, "%s: %s\n", orAll(f.Service), tellFreeze(f)) })
}

// until is zero for a freeze without an end.
func (c *freezeOnCmd) until(now time.Time) (time.Time, error) {
	if c.Until == "" {
		return time.Time{}, nil
	}
	zone, err := calendar.Zone(c.Zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("--zone: %w; write its name in the IANA database, such as Europe/Berlin", err)
	}
	if d, err := time.ParseDuration(c.Until); err == nil {
		return now.Add(d), nil
	}
	if _, err := time.Parse("15:04", c.Until); err == nil { // the next time that it is
		for day := range 2 {
			t, err := calendar.Moment(now.In(zone).AddDate(0, 0, day).Format("2006-01-02 ")+c.Until, zone, true)
			if err != nil || t.After(now) {
				return t, err
			}
		}
	}
	t, err := calendar.Moment(c.Until, zone, true)
	if err != nil {
		return t, fmt.Errorf("--until: %w, nor how long (2h)", err)
	}
	return t, nil
}

type freezeOffCmd struct {
	Service string `arg:"" optional:"" help:"The service that was frozen by itself. Default: the freeze of all."`
}

func (c *freezeOffCmd) Run(e *env) error {
	f, err := e.agent().Unfreeze(e, control.Request{Service: c.Service, Who: who()})
	if err != nil {
		return err
	}
	return e.print(f, func(w out) {
		if f.Nothing {
			fmt.Fprintf(w, "%s: there is no freeze by command; segue freeze status shows what there is\n", orAll(c.Service))
			return
		}
		fmt.Fprintf(w, "%s: the freeze is over (%s)\n", orAll(f.Service), printable(f.Why))
	})
}

type freezeStatusCmd struct{}

func (c *freezeStatusCmd) Run(e *env) error {
	g, err := e.agent().Gates(e)
	if err != nil {
		return err
	}
	return e.print(g, func(w out) {
		for _, f := range g.Freezes {
			fmt.Fprintf(w, "%s: %s\n", orAll(f.Service), tellFreeze(f))
		}
		names := []string{}
		for name := range g.Services {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(w, "%s: closed to deploys, %s\n", name, tellClosed(g.Services[name]))
		}
		if len(g.Freezes)+len(names) == 0 {
			fmt.Fprintln(w, "nothing is frozen, and all that runs may be deployed")
		}
	})
}

func tellFreeze(f control.Freeze) string {
	text := "frozen"
	if !f.Until.IsZero() {
		text += " until " + minute(f.Until)
	}
	return fmt.Sprintf("%s by %s: %s", text, f.Who, printable(f.Why))
}

func tellClosed(c control.Closed) string {
	if c.Until.IsZero() {
		return printable(c.Why)
	}
	return printable(c.Why) + "; it opens " + minute(c.Until)
}

func minute(t time.Time) string { return t.Local().Format("Mon 2006-01-02 15:04 MST") }

// orAll names what a freeze or lock is for.
func orAll(service string) string {
	if service == "" {
		return "all"
	}
	return service
}
