package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// serviceSelectsJob: a Job's pods get requests.
func serviceSelectsJob(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		if x.Job == nil {
			continue
		}
		for _, s := range x.Services {
			if s.Is.Spec.ClusterIP == "None" || x.Pod.Spec.Containers == nil || declaresPorts(x) {
				continue // an indexed Job finds its peers by such a Service
			}
			report(lint.Finding{
				At:     s.At("spec", "selector"),
				Hazard: fmt.Sprintf("the selector is met by the pods of %s: while they run they get a share of the requests, and refuse them", x.Object.Name),
				Mend:   "add a label to the selector that only the servers' pods have",
			})
		}
	}
}

func declaresPorts(x *Workload) bool {
	for _, c := range x.Containers() {
		if len(c.Ports) > 0 {
			return true
		}
	}
	return false
}
