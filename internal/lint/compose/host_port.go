package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// hostPort: of two containers on one machine one can have a port of it. The
// proxy at the edge must have one.
func hostPort(w *World, report lint.Report) {
	for _, s := range w.Served() {
		n, known := s.Replicas()
		if s.Edge() && (n <= 1 || !known) {
			continue
		}
		if s.NetworkMode == "host" && !s.Stack {
			report(lint.Finding{At: s.At("network_mode"), Severity: s.doubt(), Hazard: "it listens on ports of the host itself, so a new container cannot start beside the old one", Mend: "take network_mode out, and let a proxy publish the port"})
		}
		for i, p := range s.Ports {
			if s.Stack && p.mode != "host" || !known && !s.Stack {
				continue
			}
			if hazard := portHazard(p, n); hazard != "" {
				report(lint.Finding{At: s.At("ports", i), Severity: s.doubt(), Hazard: hazard, Mend: "let a proxy publish the port, and write `expose: [" + quoted(p.target) + "]` here"})
			}
		}
	}
}

// portHazard says what happens with n containers, and one more while they are replaced.
func portHazard(p port, n int) string {
	switch room := p.hosts(); {
	case room == 0 || room > n:
		return ""
	case n > room:
		return fmt.Sprintf("host port %s has room for %s, and there are %d replicas: the others cannot start", p.host, plural(room, "container"), n)
	case room == 1:
		return fmt.Sprintf("host port %s can be held by one container, so the old one must be gone before the new one can start", p.host)
	default:
		return fmt.Sprintf("host ports %s are all held by the %d replicas, so one must be gone before a new one can start", p.host, n)
	}
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
