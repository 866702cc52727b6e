package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// noPDB: evictions are not limited.
func noPDB(w *World, report lint.Report) {
	for x := range w.Served() {
		n, ok := x.Replicas()
		if !ok || n < 2 || len(x.Budgets) > 0 { // of one pod no budget can save anything
			continue
		}
		f := lint.Finding{
			At:     x.At("metadata", "name"),
			Hazard: fmt.Sprintf("no PodDisruptionBudget matches its pods: when nodes are drained, all %d may be evicted at once", n),
			Mend:   "add a PodDisruptionBudget with maxUnavailable: 1 and the selector of the workload",
		}
		for _, b := range w.Budgets {
			if b.Is.Name == x.Name && near(b.Is.Namespace, x.Namespace) {
				f.Hazard = fmt.Sprintf("the PodDisruptionBudget %s does not match its labels: when nodes are drained, all %d pods may be evicted at once", x.Name, n)
				f.Mend = fmt.Sprintf("set the budget's selector (line %d) to labels of the pod template", b.At("spec", "selector").Line)
			}
		}
		report(f)
	}
}
