package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// containerName: of two containers with one name there can be one. Swarm does
// not look at it.
func containerName(w *World, report lint.Report) {
	for _, s := range w.Served() {
		if s.ContainerName == "" || s.Stack {
			continue
		}
		hazard := fmt.Sprintf("only one container can be called %s, so the old one is stopped and removed before the new one starts; in between, for up to %s and the start, nobody answers", s.ContainerName, s.Grace())
		if n, ok := s.Replicas(); ok && n > 1 {
			hazard = fmt.Sprintf("only one container can be called %s, so compose refuses to run %d of it", s.ContainerName, n)
		}
		report(lint.Finding{At: s.At("container_name"), Severity: s.doubt(), Hazard: hazard, Mend: "take container_name out; other containers reach it by the service's name, " + s.Key})
	}
}
