package compose

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// enough is a budget for starting with which nobody is warned.
const enough = time.Minute

// startPeriod: without one, failures while the program starts count.
func startPeriod(w *World, report lint.Report) {
	for _, s := range w.Served() {
		h := s.Healthcheck
		if s.Edge() || h == nil || len(h.Test) == 0 || h.StartPeriod.Duration > 0 || h.StartPeriod.set && !h.StartPeriod.ok || h.Interval.set && !h.Interval.ok {
			continue
		}
		interval, retries := h.Interval.or(30*time.Second), h.Retries.or(3)
		budget := interval * time.Duration(retries)
		if budget >= enough {
			continue
		}
		what := "whoever depends on it gives up"
		if s.Stack {
			what = "Swarm kills it and starts another, over and over"
		}
		report(lint.Finding{
			At:     s.At("healthcheck", "start_period"),
			Hazard: fmt.Sprintf("without a start_period a start that takes longer than %s (%d failures, %s apart) makes it unhealthy, and %s", budget, retries, interval, what),
			Mend:   "set `start_period:` above the slowest start, 60s if in doubt: it ends with the first success",
			Fix:    s.Put("60s", "healthcheck", "start_period"),
		})
	}
}
