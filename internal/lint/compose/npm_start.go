package compose

import (
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// npmStart: what starts the program as its child does not stop it as it should.
func npmStart(w *World, report lint.Report) {
	for _, s := range w.Served() {
		m := s.Running.Manager
		if m == nil || m.Name == "npm" && strings.Contains(s.base(), "alpine") {
			continue
		}
		at, where := s.startAt(m.Name)
		f := lint.Finding{At: at, Hazard: where + m.Hazard, Mend: m.Mend}
		if m.Name != "npm" {
			f.Severity = lint.Warning
		}
		report(f)
	}
}
