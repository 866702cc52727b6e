package kubernetes

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/lint"
)

// publishNotReady: readiness has no effect.
func publishNotReady(w *World, report lint.Report) {
	for _, s := range w.Services {
		headless := s.Is.Spec.ClusterIP == "None"
		served := slices.ContainsFunc(w.Workloads, func(x *Workload) bool {
			return x.StatefulSet == nil && slices.Contains(x.Services, s)
		})
		if !s.Is.Spec.PublishNotReadyAddresses || headless && !served {
			continue
		}
		report(lint.Finding{
			At:     s.At("spec", "publishNotReadyAddresses"),
			Hazard: fmt.Sprintf("the Service %s sends requests to pods that are not ready: before they listen, and while they are being stopped", s.Is.Name),
			Mend:   "leave publishNotReadyAddresses out; peers that have to find one another need a headless Service of their own",
			Fix:    s.Drop("spec", "publishNotReadyAddresses"),
		})
	}
}
