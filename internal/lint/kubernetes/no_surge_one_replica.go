package kubernetes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// noSurgeOneReplica: the old pod has to go before the new one may come.
func noSurgeOneReplica(w *World, report lint.Report) {
	for x := range w.Served() {
		n, ok := x.Replicas()
		if !ok || n != 1 {
			continue
		}
		p, rolls := x.Pace(n)
		if !rolls || p.Surge > 0 {
			continue
		}
		why := "maxUnavailable is " + p.said
		if p.said != "1" {
			why = fmt.Sprintf("maxUnavailable, %s of 1, is rounded down to 0 and then taken for 1", p.said)
		}
		f := lint.Finding{
			At:     x.At("spec", "strategy", "rollingUpdate", "maxSurge"),
			Hazard: "with maxSurge 0 the only pod is stopped before its successor is started (" + why + "): until that is ready every request is refused",
			Mend:   "set maxSurge: 1 and maxUnavailable: 0",
		}
		if !x.holdsAlone() {
			f.Fix = x.Put("{maxSurge: 1, maxUnavailable: 0}", "spec", "strategy", "rollingUpdate")
		}
		report(f)
	}
}

// holdsAlone says that a pod may have something that a second one cannot have
// beside it: a volume, or a port of the node.
func (x *Workload) holdsAlone() bool {
	return x.Pod.Spec.HostNetwork ||
		slices.ContainsFunc(x.Pod.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil }) ||
		slices.ContainsFunc(x.Containers(), func(c Container) bool {
			return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 })
		})
}
