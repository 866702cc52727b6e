package kubernetes

import "github.com/seguehq/segue/internal/lint"

// noReadiness: a pod is in the Service before the program listens.
func noReadiness(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			if c.ReadinessProbe != nil {
				continue
			}
			f := c.Find(
				"nobody asks whether the program can serve: a new pod gets requests as soon as its process exists, before it listens, and the old pod is stopped meanwhile",
				"add a readinessProbe that the listener of the requests answers",
				"readinessProbe")
			if c.StartupProbe != nil {
				f.Severity = lint.Warning
				f.Hazard = "after its start nobody asks the program whether it can serve: one that hangs or is overloaded goes on getting requests"
			}
			report(f)
		}
	}
}
