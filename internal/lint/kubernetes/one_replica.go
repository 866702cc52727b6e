package kubernetes

import "github.com/seguehq/segue/internal/lint"

// oneReplica: nobody answers while the only pod is replaced.
func oneReplica(w *World, report lint.Report) {
	for x := range w.Served() {
		if n, ok := x.Replicas(); !ok || n > 1 {
			continue
		}
		said := "there is one pod"
		switch {
		case x.Autoscaler != nil:
			said = "the autoscaler may go down to one pod"
		case x.Find("spec", "replicas") == nil:
			said = "replicas is not set, which means one pod"
		}
		f := lint.Finding{
			At:     x.AtReplicas(),
			Hazard: said + ": when it is evicted (a node's drain, a scale-in) it is stopped before the next is started, and nobody answers in between",
			Mend:   "run two or more, with a PodDisruptionBudget",
		}
		if x.StatefulSet != nil {
			f.Severity = lint.Error
			f.Hazard = said + ", and a StatefulSet stops it before it starts its successor: nobody answers in between, on every deploy and every eviction"
		}
		report(f)
	}
}
