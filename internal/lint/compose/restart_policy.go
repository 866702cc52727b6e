package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// restartPolicy: what ends by itself stays down unless somebody starts it.
func restartPolicy(w *World, report lint.Report) {
	for _, s := range w.Served() {
		if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
			if c := s.Deploy.RestartPolicy.Condition; c == "none" {
				report(lint.Finding{At: s.At("deploy", "restart_policy", "condition"), Hazard: "a task that ends is not replaced, and nobody answers in its place", Mend: "set `condition: any`", Fix: s.Put("any", "deploy", "restart_policy", "condition")})
			}
			continue
		}
		if s.Stack || s.Restart != "" && s.Restart != "no" && s.Restart != "false" {
			continue
		}
		how := "restart: no"
		if s.Restart == "" {
			how = "restart: no, the default"
		}
		report(lint.Finding{
			At:     s.At("restart"),
			Hazard: fmt.Sprintf("a container that ends, in a crash or because its machine starts anew, stays down (%s), and nobody answers until somebody comes", how),
			Mend:   "set `restart: unless-stopped`",
			Fix:    s.Put("unless-stopped", "restart"),
		})
	}
}
