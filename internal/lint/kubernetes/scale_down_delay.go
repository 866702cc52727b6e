package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// leastScaleDownDelay is Argo Rollouts' default, and what its manual recommends
// at the least.
const leastScaleDownDelay = 30 * time.Second

// scaleDownDelay: the old version goes before everybody has switched.
func scaleDownDelay(w *World, report lint.Report) {
	for x := range w.Served() {
		delay, key := x.scaleDownDelay()
		if delay == nil || seconds(*delay) >= leastScaleDownDelay {
			continue
		}
		hazard := fmt.Sprintf("the old pods are stopped, all at once, %s after the switch to the new ones; the switch takes up to %s, and more with a load balancer", sec(seconds(*delay)), sec(w.Facts.Propagation))
		if *delay == 0 {
			hazard = "the old pods are stopped, all at once, in the moment of the switch; or never, as some versions of Argo Rollouts take 0"
		}
		report(lint.Finding{
			At:     x.At("spec", "strategy", key, "scaleDownDelaySeconds"),
			Hazard: hazard,
			Mend:   "leave scaleDownDelaySeconds out, which is 30, or set it above",
			Fix:    x.Put("30", "spec", "strategy", key, "scaleDownDelaySeconds"),
		})
	}
}

// scaleDownDelay is what a Rollout says of it, if it has an effect there.
func (x *Workload) scaleDownDelay() (*int32, string) {
	if x.Rollout == nil {
		return nil, ""
	}
	s := x.Rollout.Spec.Strategy
	switch {
	case s.BlueGreen != nil:
		return s.BlueGreen.ScaleDownDelaySeconds, "blueGreen"
	case s.Canary != nil && s.Canary.TrafficRouting != nil:
		return s.Canary.ScaleDownDelaySeconds, "canary"
	}
	return nil, ""
}
