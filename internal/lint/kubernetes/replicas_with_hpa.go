package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// replicasWithHPA: two write the same field.
func replicasWithHPA(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		a := x.Autoscaler
		if a == nil || x.Find("spec", "replicas") == nil {
			continue
		}
		said := x.Text("spec", "replicas")
		report(lint.Finding{
			At:     x.At("spec", "replicas"),
			Hazard: fmt.Sprintf("every apply sets the number of pods to %s, whatever %s has made of it (up to %d): under load, all above are stopped in the middle of the deploy", said, a.Name, a.Is.Spec.MaxReplicas),
			Mend:   "leave replicas out; once, with `kubectl apply edit-last-applied`, as the next apply would set it to 1",
		})
	}
}
