package kubernetes

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/seguehq/segue/internal/lint"
)

// onDelete: no controller takes care that pods are replaced one after another.
func onDelete(w *World, report lint.Report) {
	for x := range w.Served() {
		s, d := x.StatefulSet, x.DaemonSet
		if s != nil && s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType ||
			d != nil && d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			report(lint.Finding{
				At:     x.At("spec", "updateStrategy", "type"),
				Hazard: fmt.Sprintf("pods of this %s are replaced when somebody deletes them, however many at a time, and none waits until its successor is ready", x.Kind),
				Mend:   "use `type: RollingUpdate`",
			})
		}
	}
}
