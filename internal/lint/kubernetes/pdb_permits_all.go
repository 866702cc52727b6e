package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// pdbPermitsAll: a budget as wide as the service.
func pdbPermitsAll(w *World, report lint.Report) {
	for _, b := range w.Budgets {
		guarded := w.guardedBy(b)
		key, said, ok := budgetSays(b)
		if !ok || !guarded.served || guarded.pods < 2 { // of one pod it has to let that go
			continue
		}
		permits, ok := guarded.permits(b)
		if !ok || permits < guarded.pods {
			continue
		}
		report(lint.Finding{
			At:     b.At("spec", key),
			Hazard: fmt.Sprintf("%s: %s lets all of %s%s be evicted at once", key, said, count(guarded.pods, "pod"), guarded.of),
			Mend:   "set maxUnavailable: 1 (and no minAvailable)",
		})
	}
}
