package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// noRestart: what ends by itself stays down. A socket unit starts it again with
// the next connection.
func noRestart(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		s := u.service("Restart")
		if u.restarts() || u.Socket != nil {
			continue
		}
		when, what := "when it crashes", "Restart="+s.value
		switch s.value {
		case "":
			what = "Restart=no, the default"
		case "on-abort", "on-watchdog":
			when = "when it ends with an error"
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("%s it stays down (%s), and nobody answers until somebody comes", when, what),
			Mend:   "set Restart=on-failure",
			Fix:    s.put("on-failure", "Service", "Restart"),
		})
	}
}
