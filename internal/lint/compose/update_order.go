package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// updateOrder: Swarm stops first unless it is told otherwise.
func updateOrder(w *World, report lint.Report) {
	for _, s := range w.Stacked() {
		n, known := s.Replicas()
		if s.StartsFirst() || !s.Updates().Order.known() || !known || s.holdsHostPort() {
			continue
		}
		f := lint.Finding{
			At:   s.At("deploy", "update_config", "order"),
			Mend: "set `order: start-first` in `deploy.update_config`",
			Fix:  s.Put("start-first", "deploy", "update_config", "order"),
		}
		if s.Stateful() {
			f.Fix, f.Severity = nil, lint.Warning
			f.Mend += ", if two of it can share its volume"
		}
		switch left := n - s.batch(n); {
		case n == 1:
			f.Hazard = fmt.Sprintf("Swarm stops the only task before it starts the new one: for up to %s and the start nobody answers", s.Grace())
		case left > 0:
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("Swarm stops tasks before it starts new ones: %d of %d answer all requests meanwhile", left, n)
		default:
			continue // update-parallelism says so
		}
		report(f)
	}
}

// batch is how many tasks Swarm replaces at a time.
func (s *Service) batch(replicas int) int {
	if p := s.Updates().Parallelism.or(1); p > 0 && p < replicas {
		return p
	}
	return replicas
}

// holdsHostPort: with one, tasks cannot stand side by side; host-port tells.
func (s *Service) holdsHostPort() bool {
	for _, p := range s.Ports {
		if p.mode == "host" {
			return true
		}
	}
	return false
}
