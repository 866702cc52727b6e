package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// updateMonitor: with no time to look, a task that fails after it was ready
// does not count.
func updateMonitor(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		if m := s.Updates().Monitor; !m.ok || m.Duration > 0 {
			continue
		}
		report(lint.Finding{
			At:     s.At("deploy", "update_config", "monitor"),
			Hazard: "Swarm does not look at a task once it is ready: one that fails a moment later does not stop the update, and failure_action never comes to bear",
			Mend:   fmt.Sprintf("set `monitor: 30s` in `deploy.update_config`, or take it out, which is %s", monitorDefault),
			Fix:    s.Put("30s", "deploy", "update_config", "monitor"),
		})
	}
}
