package compose

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// noHealthcheck: without one, a container counts as ready when its process runs.
func noHealthcheck(w *World, report lint.Report) {
	for _, s := range w.Served() {
		off := s.Healthcheck != nil && (s.Healthcheck.Disable.yes() || slices.Equal(s.Healthcheck.Test, command{"NONE"}))
		if !off && (s.Healthcheck != nil || s.image.healthcheck) || s.Edge() && !s.Stack {
			continue
		}
		hazard := "there is no healthcheck (unless the image has one), so it counts as ready as soon as its process runs: whoever waits for it sends requests before it listens"
		if s.image.from != "" {
			hazard = strings.Replace(hazard, " (unless the image has one)", ", here or in the Dockerfile (unless "+s.image.from+" has one)", 1)
		}
		if off {
			hazard = "the healthcheck is switched off, so it counts as ready as soon as its process runs: whoever waits for it sends requests before it listens"
		}
		if s.Stack {
			hazard += ", and Swarm goes on to stop the next task"
		}
		report(lint.Finding{At: s.At("healthcheck"), Hazard: hazard, Mend: "add a `healthcheck:` that asks the program itself whether it can answer, with `interval: 2s` and `start_period:`"})
	}
}
