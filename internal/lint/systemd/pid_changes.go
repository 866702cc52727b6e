package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// pidChanges: a reload that puts another process in the main one's place, of
// which systemd does not learn.
func pidChanges(w *World, report lint.Report) {
	for _, u := range w.Services {
		if !u.Lasts() || u.service("PIDFile").value != "" {
			continue
		}
		for _, c := range u.commands("ExecReload") {
			p, signal := u.Running.Program, c.signal()
			f := lint.Finding{
				At:   c.at,
				Mend: "set PIDFile= to a file that the new process writes, and Type=forking; or reload in place",
			}
			switch {
			case p != nil && p.Successor != "" && p.Successor == signal:
				f.Hazard = fmt.Sprintf("%s starts another %s beside the old one, with another pid, of which systemd does not learn: when the old one ends, systemd takes the service for ended and kills the new one", signal, p.Name)
			case c.name() == "haproxy" && c.has("-sf", "-st"):
				f.Hazard = "it starts another HAProxy with another pid, of which systemd does not learn: when the old one ends, systemd takes the service for ended and kills the new one"
				f.Mend = "run haproxy with -Ws and Type=notify, and reload with `kill -USR2 $MAINPID`: the pid stays"
			case p == nil && signal == "USR2":
				f.Severity = lint.Warning
				f.Hazard = "USR2 usually starts a successor with another pid: if systemd does not learn of it, it takes the service for ended when the old one ends, and kills the new one"
			default:
				continue
			}
			report(f)
		}
	}
}
