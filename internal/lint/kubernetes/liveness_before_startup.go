package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// livenessBeforeStartup: killed while it starts.
func livenessBeforeStartup(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		for _, c := range x.Containers() {
			if c.LivenessProbe == nil || c.StartupProbe != nil {
				continue
			}
			start, why := c.startup()
			t := timing(c.LivenessProbe)
			if start == 0 || t.Soonest() >= start {
				continue
			}
			report(c.Find(
				fmt.Sprintf("the program needs %s to start (%s), and liveness (%s) kills it %s after its start", sec(start), why, t, sec(t.Soonest())),
				fmt.Sprintf("add a startupProbe with the same question and failureThreshold: %d", 1+whole(2*start)/whole(t.Period)),
				"livenessProbe"))
		}
	}
}

// startup is how long the program needs to start, by what the manifest says.
func (c Container) startup() (time.Duration, string) {
	if d, ok := c.Workload.Note("startup"); ok {
		return d, "segue.dev/startup"
	}
	if r := c.ReadinessProbe; r != nil && r.InitialDelaySeconds > 0 {
		return seconds(r.InitialDelaySeconds), "readiness is not asked before"
	}
	return 0, ""
}
