package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// meshDrain: the mesh's proxy is gone before the program has finished.
func meshDrain(w *World, report lint.Report) {
	for x := range w.Served() {
		hook, drain := x.stops()
		if c, ok := x.istio(); ok && x.Pod.Annotations[istioNative] != "true" {
			if proxy, ok := c.drains(); ok && proxy < hook+drain {
				report(lint.Finding{
					At:     x.podOf.At(x.atNote(istioConfig)...),
					Hazard: fmt.Sprintf("Istio's proxy ends %s after the signal, and the program needs up to %s (preStop %s, drain %s): what is in flight then is cut", sec(proxy), sec(hook+drain), sec(hook), sec(drain)),
					Mend:   fmt.Sprintf("set terminationDrainDuration: %ds, or use native sidecars", whole(hook+drain)+5),
				})
			}
		}
		if wait, ok := x.linkerdWaits(); ok && wait < hook {
			report(lint.Finding{
				At:     x.podOf.At(x.atNote(linkerdInject)...),
				Hazard: fmt.Sprintf("Linkerd's proxy waits %s and then takes no new connections, while the preStop hook waits %s for those who still send some", sec(wait), sec(hook)),
				Mend:   fmt.Sprintf("add the annotation %s: %q, or use native sidecars", linkerdWait, fmt.Sprint(whole(hook))),
			})
		}
	}
}

// stops is how long the hooks and the drains of what serves take.
func (x *Workload) stops() (hook, drain time.Duration) {
	for _, c := range x.Serving() {
		if p := c.PreStop(); p.Known {
			hook = max(hook, p.Total)
		}
		drain = max(drain, c.Drain().Time)
	}
	return hook, drain
}
