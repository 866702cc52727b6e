package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// The label by which AWS' controller injects its readiness gate, and how long it
// may take until a target is healthy.
const (
	gateLabel   = "elbv2.k8s.aws/pod-readiness-gate-inject"
	gatePrefix  = "target-health."
	gateSeconds = 60
)

// readinessGate: the load balancer's new targets are not waited for.
func readinessGate(w *World, report lint.Report) {
	for x := range w.Served() {
		ready, _ := x.minReady()
		i := slices.IndexFunc(x.Fronts, func(f Front) bool { return f.Direct && f.Deregistration > 0 })
		if i < 0 || ready >= gateSeconds || slices.ContainsFunc(x.Pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
			return strings.HasPrefix(string(g.ConditionType), gatePrefix)
		}) {
			continue
		}
		for _, n := range w.Namespaces {
			if n.Is.Name != x.Namespace || n.Is.Labels[gateLabel] == "enabled" {
				continue
			}
			report(lint.Finding{
				At:     n.At("metadata", "labels"),
				Hazard: fmt.Sprintf("a rollout of %s does not wait until %s knows the new pods: when the last old one is stopped, it may have no target that answers", x.Object.Name, x.Fronts[i].Name),
				Mend:   fmt.Sprintf("label the namespace %s: enabled", gateLabel),
				Fix:    n.Put("enabled", "metadata", "labels", gateLabel),
			})
		}
	}
}
