package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// execStopKills: a stop command that leaves no time to finish.
func execStopKills(w *World, report lint.Report) {
	for _, u := range w.Told() {
		for _, c := range u.commands("ExecStop") {
			kills := c.asks() == "KILL" || c.name() == "docker" && (c.has("kill") || c.has("rm") && c.has("-f", "--force", "-vf", "-fv"))
			if !kills {
				continue
			}
			report(lint.Finding{
				At:     c.at,
				Hazard: fmt.Sprintf("`%s` kills it with all requests that it is answering", c),
				Mend:   "take ExecStop= out: systemd sends SIGTERM, waits for TimeoutStopSec=, and kills only then; for a container, `docker stop`",
			})
		}
	}
}
