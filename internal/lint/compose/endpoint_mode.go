package compose

import "github.com/seguehq/segue/internal/lint"

// endpointMode: names resolve to the tasks' own addresses, and clients keep them.
func endpointMode(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		if s.Deploy == nil || s.Deploy.EndpointMode != "dnsrr" {
			continue
		}
		report(lint.Finding{
			At:     s.At("deploy", "endpoint_mode"),
			Hazard: "clients get the addresses of the tasks themselves and keep them: they go on sending to one that has been replaced",
			Mend:   "set `endpoint_mode: vip`, or take it out, unless a proxy in front asks the name for each connection",
		})
	}
}
