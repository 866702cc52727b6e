package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

type releasesCmd struct {
	Service string `arg:"" optional:"" help:"Only this service."`
}

func (c *releasesCmd) Run(e *env) error {
	rs, err := e.agent().Releases(e, c.Service)
	if err != nil {
		return err
	}
	return e.print(rs, func(w out) {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "SERVICE\tRELEASE\tMADE\tDIGEST\tCOMMAND\t")
		for _, r := range rs {
			serving := ""
			if r.Serving {
				serving = "serving"
			}
			fmt.Fprintf(t, "%s\t%d\t%s\t%.12s\t%s\t%s\n", r.Service, r.Number, r.Made.Local().Format("2006-01-02 15:04:05"),
				r.Digest, strings.Join(r.Command, " "), serving)
		}
		_ = t.Flush()
	})
}
