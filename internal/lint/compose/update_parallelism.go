package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// updateParallelism: all replicas at a time leave none that is known to be good.
func updateParallelism(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		n, known := s.Replicas()
		p := s.Updates().Parallelism
		if !known || n < 2 || !p.ok || p.n > 0 && p.n < n {
			continue
		}
		f := lint.Finding{
			At:     s.At("deploy", "update_config", "parallelism"),
			Mend:   "set `parallelism: 1` in `deploy.update_config`",
			Fix:    s.Put("1", "deploy", "update_config", "parallelism"),
			Hazard: fmt.Sprintf("all %d tasks are stopped at once, before any new one has started: for up to %s and the start nobody answers", n, s.Grace()),
		}
		if s.StartsFirst() {
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("all %d tasks are replaced at once: a release that fails a moment after it is ready has no task of the old one left beside it", n)
		}
		report(f)
	}
}
