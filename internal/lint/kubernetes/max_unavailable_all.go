package kubernetes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// maxUnavailableAll: a rolling update that may take everything away.
func maxUnavailableAll(w *World, report lint.Report) {
	for x := range w.Served() {
		n, ok := x.Replicas()
		switch {
		case x.Deployment != nil && ok:
			p, rolls := x.Pace(n)
			if rolls && p.Unavailable >= n && (n > 1 || p.Surge > 0) { // else it is no-surge-one-replica
				f := allAway(x, ofShare(p.said, p.Unavailable), "of "+count(n, "pod"), "strategy")
				if p.Surge > 0 {
					f.Fix = x.Put("0", "spec", "strategy", "rollingUpdate", "maxUnavailable")
				}
				report(f)
			}
		case x.StatefulSet != nil && ok && n > 1:
			r := x.StatefulSet.Spec.UpdateStrategy.RollingUpdate
			if r != nil && r.MaxUnavailable != nil && share(*r.MaxUnavailable, n, true) >= n {
				report(allAway(x, ofShare(r.MaxUnavailable.String(), n), "of "+count(n, "pod"), "updateStrategy"))
			}
		case x.DaemonSet != nil:
			r := x.DaemonSet.Spec.UpdateStrategy.RollingUpdate
			if r != nil && r.MaxUnavailable != nil && *r.MaxUnavailable == intstr.FromString("100%") {
				report(allAway(x, "100%", "of one pod on each node", "updateStrategy"))
			}
		}
	}
}

func allAway(x *Workload, said, of, key string) lint.Finding {
	return lint.Finding{
		At:     x.At("spec", key, "rollingUpdate", "maxUnavailable"),
		Hazard: fmt.Sprintf("maxUnavailable is %s %s: a rollout may stop them all before one new one is ready", said, of),
		Mend:   "set maxUnavailable: 0 with maxSurge: 1, or where pods cannot be started beside the old ones, maxUnavailable: 1",
	}
}
