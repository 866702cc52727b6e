package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// restartsWith: a service that is stopped whenever another is replaced.
func restartsWith(w *World, report lint.Report) {
	for _, s := range w.Served() {
		if s.Stack {
			continue
		}
		for _, name := range sortedKeys(s.DependsOn) {
			if s.DependsOn[name].Restart.yes() {
				f := w.takenAlong(s, name, s.At("depends_on", name, "restart"), "restart: true stops it before %s is replaced, and starts it after", "take `restart: true` out")
				f.Fix = s.Drop("depends_on", name, "restart")
				report(f)
			}
		}
		if name, ok := strings.CutPrefix(string(s.NetworkMode), "service:"); ok {
			report(w.takenAlong(s, name, s.At("network_mode"), "it lives in the network of %s's container, and is recreated whenever that is", "give it a network of its own"))
		}
	}
}

func (w *World) takenAlong(s *Service, name string, at lint.Place, how, mend string) lint.Finding {
	f := lint.Finding{At: at, Hazard: fmt.Sprintf(how, name) + ": meanwhile nobody answers", Mend: mend}
	if s.Edge() {
		f.Hazard += ", not even for the other services behind it"
	}
	if other := w.Near(s, name); !s.Edge() && other != nil && other.Store() {
		f.Severity = lint.Warning
	}
	return f
}

func sortedKeys(d dependencies) []string {
	keys := make([]string, 0, len(d))
	for k := range d {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
