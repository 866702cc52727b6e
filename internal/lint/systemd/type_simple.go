package systemd

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// typeSimple: the program would say when it is ready, and nobody listens.
func typeSimple(w *World, report lint.Report) {
	for _, u := range w.Services {
		p, t := u.Running.Program, u.Type()
		if !u.Lasts() || t != "simple" && t != "exec" {
			continue
		}
		access := u.service("NotifyAccess").value
		f := lint.Finding{At: u.service("Type").at, Mend: "set Type=notify"}
		switch {
		case p != nil && p.Notifies == "always":
			f.Hazard = fmt.Sprintf("%s tells systemd when it is ready, and Type=%s does not wait for it", p.Name, t)
		case p != nil && p.Notifies != "" && u.told(p.Notifies):
			f.Hazard = fmt.Sprintf("%s is run with %s and tells systemd when it is ready, and Type=%s does not wait for it", p.Name, p.Notifies, t)
		case p == nil && u.MayServe() && (access == "main" || access == "exec" || access == "all") && u.service("WatchdogSec").value == "":
			f.Hazard = fmt.Sprintf("NotifyAccess=%s lets it say when it is ready, and Type=%s does not wait for it", access, t)
		default:
			continue
		}
		f.Hazard += ": `systemctl restart` returns, and units ordered after it go on, before it listens"
		report(f)
	}
}

// told reports whether the program is run with a flag, which may be one of
// several letters.
func (u *Unit) told(flag string) bool {
	for _, arg := range u.Running.Args {
		if arg == flag || strings.HasPrefix(arg, flag+"=") {
			return true
		}
	}
	return false
}
