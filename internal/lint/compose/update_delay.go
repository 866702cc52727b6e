package compose

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// monitorDefault is how long Swarm looks at a new task if the file says nothing.
const monitorDefault = 5 * time.Second

// updateDelay: a failure counts within the monitor's time, but the next batch
// is replaced after the delay.
func updateDelay(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		n, known := s.Replicas()
		u := s.Updates()
		monitor := u.Monitor.or(monitorDefault)
		if !known || s.batch(n) >= n || u.Delay.Duration >= monitor || u.Delay.set && !u.Delay.ok {
			continue
		}
		report(lint.Finding{
			At:     s.At("deploy", "update_config", "delay"),
			Hazard: fmt.Sprintf("Swarm looks for failures for %s after each task, but goes on to the next after %s: a release that fails in its first seconds may have replaced all %d tasks by then", monitor, u.Delay.Duration, n),
			Mend:   fmt.Sprintf("set `delay: %s` or more in `deploy.update_config`", monitor),
			Fix:    s.Put(monitor.String(), "deploy", "update_config", "delay"),
		})
	}
}
