package compose

import "github.com/seguehq/segue/internal/lint"

// rollbackOrder: going back is another update, with an order of its own.
func rollbackOrder(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		if !s.StartsFirst() || s.Updates().FailureAction != "rollback" || s.Deploy.RollbackConfig.Order == "start-first" || !s.Deploy.RollbackConfig.Order.known() {
			continue
		}
		report(lint.Finding{
			At:     s.At("deploy", "rollback_config", "order"),
			Hazard: "an update starts first, but a rollback stops first, which is its default: the tasks that still answer are stopped while the new release is failing",
			Mend:   "set `order: start-first` in `deploy.rollback_config`",
			Fix:    s.Put("start-first", "deploy", "rollback_config", "order"),
		})
	}
}
