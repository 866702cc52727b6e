package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// noPreStop: a container that serves gets its signal while it is still in the
// endpoints that others know.
func noPreStop(w *World, report lint.Report) {
	for x := range w.Served() {
		if !x.HandsOver() {
			continue
		}
		learns, last := x.Learns()
		wait := x.sleepFor(learns)
		for _, c := range x.Serving() {
			if !c.PreStop().None || c.Lingers() >= learns {
				continue
			}
			grace := whole(x.Grace() + wait) // what the program has for its requests stays as it was
			f := c.Find(
				fmt.Sprintf("the container gets its stop signal at once, and %s learns up to %s later that the pod is leaving: what it sends until then is refused", last, sec(learns)),
				fmt.Sprintf("add `lifecycle: {preStop: {sleep: {seconds: %d}}}`, and set terminationGracePeriodSeconds: %d", whole(wait), grace),
				"lifecycle")
			f.Fix = c.Put(fmt.Sprint(whole(wait)), "lifecycle", "preStop", "sleep", "seconds").
				And(x.PutPod(fmt.Sprint(grace), "terminationGracePeriodSeconds"))
			if x.switches() { // then the old pods have left the Service before they are stopped
				f.Severity = lint.Warning
			}
			report(f)
		}
	}
}

// sleepFor is how long a hook sleeps well: as long as the news takes, and a bit.
func (x *Workload) sleepFor(learns time.Duration) time.Duration {
	return (learns + learns/4).Truncate(time.Second) + 4*time.Second
}

// switches says that a rollout moves requests from all old pods to the new ones
// before it stops any, so that pods leave in the midst of it only by eviction.
func (x *Workload) switches() bool {
	if x.Rollout == nil {
		return false
	}
	s := x.Rollout.Spec.Strategy
	return s.BlueGreen != nil || s.Canary != nil && s.Canary.TrafficRouting != nil
}
