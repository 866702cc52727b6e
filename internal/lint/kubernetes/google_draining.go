package kubernetes

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/lint"
)

// googleDraining: requests in flight are not waited for.
func googleDraining(w *World, report lint.Report) {
	w.undrainedEndpoints(report)
	for _, b := range w.Backends {
		draining, path := b.Is.Spec.ConnectionDraining, []any{"spec"}
		if b.Text("kind") == "GCPBackendPolicy" {
			path = append(path, "default")
			if d := b.Is.Spec.Default; d != nil {
				draining = d.ConnectionDraining
			}
		}
		if draining != nil && draining.DrainingTimeoutSec > 0 {
			continue
		}
		path = append(path, "connectionDraining", "drainingTimeoutSec")
		report(lint.Finding{
			At:     b.At(path...),
			Hazard: "connection draining is off: when a pod is taken out, Google's load balancer cuts the requests that it has with it",
			Mend:   "add `connectionDraining: {drainingTimeoutSec: 60}`, or as long as the longest request",
			Fix:    b.Put("60", path...),
		})
	}
}

// undrainedEndpoints: Services whose pods Google's load balancer knows, and of
// which nobody has said how they drain.
func (w *World) undrainedEndpoints(report lint.Report) {
	for _, s := range w.Services {
		policy := slices.ContainsFunc(w.Backends, func(b *Thing[GoogleBackend]) bool {
			return b.Is.Spec.TargetRef.Name == s.Is.Name && near(b.Is.Namespace, s.Is.Namespace)
		})
		notes := s.Is.Annotations
		if !hasNEG(s) || policy || notes["cloud.google.com/backend-config"] != "" || notes["beta.cloud.google.com/backend-config"] != "" {
			continue
		}
		report(lint.Finding{
			At:     s.At("metadata", "annotations", negKey),
			Hazard: fmt.Sprintf("Google's load balancer knows the pods of the Service %s themselves, and has no BackendConfig for it: when a pod is taken out, the requests that it has are cut", s.Is.Name),
			Mend:   "add a BackendConfig with `connectionDraining: {drainingTimeoutSec: 60}`, and the annotation cloud.google.com/backend-config that names it",
		})
	}
}
