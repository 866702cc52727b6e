package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// noSpread: what goes with one node may be all there is.
func noSpread(w *World, report lint.Report) {
	for x := range w.Served() {
		n, ok := x.Replicas()
		spec := &x.Pod.Spec
		apart := spec.Affinity != nil && spec.Affinity.PodAntiAffinity != nil
		if !ok || n < 2 || apart || len(spec.TopologySpreadConstraints) > 0 {
			continue
		}
		report(lint.Finding{
			At:     x.AtPod("topologySpreadConstraints"),
			Hazard: fmt.Sprintf("all %d pods may be on one node, and end together when it does", n),
			Mend:   "add topologySpreadConstraints over kubernetes.io/hostname (and over zones, if there are several)",
		})
	}
}
