package kubernetes

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/seguehq/segue/internal/lint"
)

// recreate: the strategy stops everything before it starts anything.
func recreate(w *World, report lint.Report) {
	for x := range w.Served() {
		if x.Deployment == nil || x.Deployment.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			continue
		}
		pods := "all pods are"
		if n, ok := x.Replicas(); ok && n > 1 {
			pods = fmt.Sprintf("all %d pods are", n)
		} else if ok {
			pods = "the only pod is"
		}
		report(lint.Finding{
			At:     x.At("spec", "strategy", "type"),
			Hazard: pods + " stopped before a new one is started: until that is scheduled, started and ready, every request is refused",
			Mend:   "use `type: RollingUpdate` with `rollingUpdate: {maxUnavailable: 0, maxSurge: 1}`",
		})
	}
}
