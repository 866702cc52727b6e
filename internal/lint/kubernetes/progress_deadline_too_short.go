package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// progressDeadlineTooShort: the rollout is given up before a pod has had its time.
func progressDeadlineTooShort(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		if x.Deployment == nil {
			continue
		}
		deadline := seconds(or(x.Deployment.Spec.ProgressDeadlineSeconds, 600))
		ready := seconds(x.Deployment.Spec.MinReadySeconds)
		start, of := x.startBudget()
		if start == 0 || start+ready < deadline {
			continue
		}
		report(lint.Finding{
			At:        x.At("spec", "progressDeadlineSeconds"),
			Container: of.Name,
			Hazard:    fmt.Sprintf("its probes allow a pod %s to start, with minReadySeconds that is %s, and the rollout is called failed after %s", sec(start), sec(start+ready), sec(deadline)),
			Mend:      fmt.Sprintf("set progressDeadlineSeconds: %d or more", whole(start+ready)+60),
			Fix:       x.Put(fmt.Sprint(whole(start+ready)+60), "spec", "progressDeadlineSeconds"),
		})
	}
}

// startBudget is the longest that a pod's probes let it take to become ready,
// and whose that is.
func (x *Workload) startBudget() (time.Duration, Container) {
	var longest time.Duration
	var of Container
	for _, c := range append(x.Containers(), x.Sidecars()...) {
		var t time.Duration
		if c.StartupProbe != nil {
			t = timing(c.StartupProbe).Budget()
		}
		if c.ReadinessProbe != nil {
			t = max(t, timing(c.ReadinessProbe).Delay) // counted from the container's start, too
		}
		if t > longest {
			longest, of = t, c
		}
	}
	return longest, of
}
