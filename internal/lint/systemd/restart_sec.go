package systemd

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// long is a wait after a crash that is too long for any.
const long = 5 * time.Second

// restartSec: after a crash nobody listens for as long.
func restartSec(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		s := u.service("RestartSec")
		d, ok := s.span()
		if !ok || d <= long || !u.restarts() || u.HasSocket() || u.Template() {
			continue
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("after a crash nobody listens for %s before it is even started", d),
			Mend:   "set RestartSec=1s; to go slowly only if it keeps failing, RestartSteps=5 and RestartMaxDelaySec=30s (systemd 254)",
		})
	}
}
