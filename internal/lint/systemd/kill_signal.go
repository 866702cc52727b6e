package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// killSignal: some programs have a signal to finish and another to quit at once.
// What stops with a command is exec-stop-returns' business.
func killSignal(w *World, report lint.Report) {
	for _, u := range w.Told() {
		if len(u.commands("ExecStop")) > 0 {
			continue
		}
		if s := u.service("RestartKillSignal"); s.value != "" {
			u.reportSignal(s, "RestartKillSignal", report)
		}
		s := u.service("KillSignal")
		if s.value == "" {
			s.value = "SIGTERM"
		}
		u.reportSignal(s, "KillSignal", report)
	}
}

func (u *Unit) reportSignal(s setting, key string, report lint.Report) {
	p, signal := u.Running.Program, lint.Signal(s.value)
	f := lint.Finding{At: s.at, Mend: p.Mend("set "+key+"=SIG%s", "take "+key+"= out")}
	switch {
	case p.Cuts(signal):
		f.Hazard = fmt.Sprintf("on %s, which is what systemd sends, %s quits at once and cuts the requests that it is answering", signal, u.program())
	case p.Ignores(signal):
		timeout, _, _ := u.stopTimeout()
		f.Hazard = fmt.Sprintf("%s does not end %s: it goes on taking requests and is killed after %s", signal, u.program(), timeout)
	default:
		return
	}
	if p != nil && p.Graceful != "" && p.Besides == "" {
		f.Fix = s.put("SIG"+p.Graceful, "Service", key)
	}
	if p != nil && p.Reloads && len(u.all("Service", "ExecReload")) > 0 {
		f.Severity = lint.Warning
		f.Hazard += "; a reload does not"
	}
	report(f)
}
