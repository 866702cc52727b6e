package cli

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type releasesCmd struct {
	Service string `arg:"" optional:"" help:"Only this service."`
}

func (c *releasesCmd) Run(e *env) error {
	done, err := e.everywhere(c.Service, func(f fleet, names []string) error { return f.releases(e, names) })
	if done || err != nil {
		return err
	}
	rs, err := e.agent().Releases(e, c.Service)
	if err != nil {
		return err
	}
	return e.print(rs, func(w out) { writeTable(w, func(t out) { writeReleases(t, rs) }) })
}

// joinNotes is both, or the one that there is.
func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func writeReleases(t out, rs []control.Release) {
	fmt.Fprintln(t, "SERVICE\tRELEASE\tMADE\tDIGEST\tCOMMAND\t")
	for _, r := range rs {
		serving := ""
		if r.Serving {
			serving = "serving"
		}
		if r.Breaking {
			serving = joinNotes(serving, "breaking")
		}
		if len(r.TooOld) > 0 {
			serving = "cannot serve: lacks " + deploy.Migrations(r.TooOld) + ", contracted"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%.12s\t%s\t%s\n", r.Service, r.Number, r.Made.Local().Format("2006-01-02 15:04:05"),
			r.Digest, strings.Join(r.Command, " "), serving)
	}
}
