package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// noMinReady: the first good probe of a new pod ends an old one.
func noMinReady(w *World, report lint.Report) {
	for x := range w.Served() {
		if s, ok := x.minReady(); !ok || s > 0 {
			continue
		}
		report(lint.Finding{
			At:     x.At("spec", "minReadySeconds"),
			Hazard: fmt.Sprintf("the next old pod is stopped at a new one's first good probe, while others learn of the new one up to %s later, and a version that dies after some seconds is rolled out to the end", sec(w.Facts.Propagation)),
			Mend:   "add `minReadySeconds: 10`",
			Fix:    x.Put("10", "spec", "minReadySeconds"),
		})
	}
}

// minReady is the workload's minReadySeconds, if its kind has it.
func (x *Workload) minReady() (int32, bool) {
	switch {
	case x.Deployment != nil:
		return x.Deployment.Spec.MinReadySeconds, x.Deployment.Spec.Strategy.Type != "Recreate"
	case x.StatefulSet != nil:
		return x.StatefulSet.Spec.MinReadySeconds, true
	case x.DaemonSet != nil:
		return x.DaemonSet.Spec.MinReadySeconds, true
	case x.Rollout != nil:
		return x.Rollout.Spec.MinReadySeconds, true
	}
	return 0, false
}
