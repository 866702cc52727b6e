package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// barePod: a Service leads to a pod that nobody replaces.
func barePod(w *World, report lint.Report) {
	for x := range w.Served() {
		if x.Kind != "Pod" || len(x.Services) == 0 {
			continue
		}
		report(lint.Finding{
			At:     x.At("metadata", "name"),
			Hazard: fmt.Sprintf("the Service %s leads to a pod without a controller: when its node is drained, or it is changed, it is deleted and none comes in its place", x.Services[0].Is.Name),
			Mend:   "make it a Deployment",
		})
	}
}
