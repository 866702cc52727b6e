package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// runtimeMax: a stop by the clock, that nobody has prepared.
func runtimeMax(w *World, report lint.Report) {
	for _, u := range w.Told() {
		s := u.service("RuntimeMaxSec")
		d, ok := s.span()
		if !ok || d == 0 || d == forever {
			continue
		}
		what := "and stays down, as Restart= does not start it again"
		if u.restarts() || !u.Whole {
			what = "and nobody listens until it is started again"
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("systemd stops it %s after its start, whatever it is doing, %s", d, what),
			Mend:   "take RuntimeMaxSec= out; for a leak, let a timer run a reload, or `systemctl restart` with a socket unit",
		})
	}
}
