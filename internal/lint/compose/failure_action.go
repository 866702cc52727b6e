package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// failureAction: what Swarm does with a release that does not come up.
func failureAction(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		f := lint.Finding{
			At:   s.At("deploy", "update_config", "failure_action"),
			Mend: "set `failure_action: rollback` in `deploy.update_config`",
			Fix:  s.Put("rollback", "deploy", "update_config", "failure_action"),
		}
		n, _ := s.Replicas()
		switch s.Updates().FailureAction {
		case "continue":
			f.Hazard = "Swarm goes on when new tasks fail, until all tasks are of the release that fails"
		case "", "pause":
			f.Severity = lint.Warning
			f.Hazard = "when a new task fails, Swarm stops half way and leaves it so: the tasks that it has replaced stay as they are, failing, until somebody comes"
			if n > 1 {
				f.Hazard += fmt.Sprintf("; that is %d of %d at a time", s.batch(n), n)
			}
		default:
			continue
		}
		report(f)
	}
}
