package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// twoPDBs: the eviction API can ask one budget only.
func twoPDBs(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		if len(x.Budgets) < 2 {
			continue
		}
		first, second := x.Budgets[0], x.Budgets[1]
		if bare(first.Object) == bare(second.Object) { // variants of one
			continue
		}
		report(lint.Finding{
			At:     second.At("spec", "selector"),
			Hazard: fmt.Sprintf("the pods of %s are matched by the budgets %s and %s, and the eviction API refuses to evict a pod that has two: its node's drain ends by force", x.Object.Name, first.Is.Name, second.Is.Name),
			Mend:   "leave one budget for these pods",
		})
	}
}
