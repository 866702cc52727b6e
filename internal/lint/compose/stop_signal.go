package compose

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// stopSignal: some programs have a signal to finish and another to quit at once.
func stopSignal(w *World, report lint.Report) {
	for _, s := range w.Served() {
		p := s.Running.Program
		signal, why := lint.Signal(string(s.StopSignal)), "stop_signal"
		if signal == "" && s.image.stopSignal != "" {
			signal, why = s.image.stopSignal, "the image's STOPSIGNAL"
		}
		if signal == "" {
			signal, why = "TERM", "the default"
			if p != nil && p.ImageStop != "" {
				continue // its image says the right one
			}
		}
		name := "the program"
		if p != nil {
			name = p.Name
		}
		f := lint.Finding{At: s.At("stop_signal"), Mend: p.Mend("set `stop_signal: SIG%s`", "take stop_signal out")}
		switch {
		case p.Cuts(signal):
			f.Hazard = fmt.Sprintf("on %s, %s, %s quits at once and cuts the requests that it is answering", signal, why, name)
		case p.Ignores(signal):
			f.Hazard = fmt.Sprintf("%s, %s, does not end %s: it goes on taking requests and is killed after %s", signal, why, name, s.Grace())
		default:
			continue
		}
		if p != nil && p.Graceful != "" && p.Besides == "" {
			f.Fix = s.Put("SIG"+p.Graceful, "stop_signal")
		}
		report(f)
	}
}
