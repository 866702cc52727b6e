package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// deregistrationOutlivesPreStop: the load balancer and the pod do not agree on
// how long the pod is there.
func deregistrationOutlivesPreStop(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, front := range x.Fronts {
			if front.Deregistration == 0 {
				continue
			}
			for _, c := range x.Serving() {
				p := c.PreStop()
				if !p.Known || front.Deregistration <= p.Total { // without a hook it is no-prestop
					continue
				}
				report(lint.Finding{
					At: front.At.At(front.atDeregistration...),
					Hazard: fmt.Sprintf("%s lets what it has with a pod go on for %s (its deregistration delay), and the pod of %s is told to stop after %s",
						front.Name, sec(front.Deregistration), x.Object.Name, sec(p.Total)),
					Mend: fmt.Sprintf("set deregistration_delay.timeout_seconds=%d in %s, or a longer preStop hook", whole(p.Total), front.atDeregistration[2]),
				})
				break
			}
		}
	}
}
