package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// dependsOnStarted: started is not ready. Swarm does not look at depends_on.
func dependsOnStarted(w *World, report lint.Report) {
	for _, s := range w.Served() {
		if s.Stack {
			continue
		}
		for _, name := range sortedKeys(s.DependsOn) {
			d := s.DependsOn[name]
			if d.Condition != "" && d.Condition != "service_started" || w.Near(s, name) == nil {
				continue
			}
			at := s.At("depends_on", name, "condition")
			if d.short {
				at = s.At("depends_on", d.index)
			}
			report(lint.Finding{
				At:     at,
				Hazard: fmt.Sprintf("it starts as soon as the process of %s runs, not when %s can answer: requests that come before fail", name, name),
				Mend:   fmt.Sprintf("write `depends_on: {%s: {condition: service_healthy}}`, with a healthcheck in %s", name, name),
			})
		}
	}
}
