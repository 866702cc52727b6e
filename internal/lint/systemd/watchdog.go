package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// watchdog: a program that does not report is killed for it.
func watchdog(w *World, report lint.Report) {
	for _, u := range w.Services {
		s := u.service("WatchdogSec")
		d, ok := s.span()
		p := u.Running.Program
		if !ok || d == 0 || d == forever || !u.Lasts() {
			continue
		}
		f := lint.Finding{At: s.at, Mend: "take WatchdogSec= out"}
		switch {
		case p != nil && p.NoWatchdog:
			f.Hazard = fmt.Sprintf("%s sends no WATCHDOG=1, so systemd kills it with SIGABRT %s after its start, with all requests, again and again", p.Name, d)
		case u.between() != "" && u.service("NotifyAccess").value != "all":
			f.Hazard = fmt.Sprintf("the main process is %s, and what the program under it says is not believed: systemd kills it with SIGABRT %s after its start", u.between(), d)
			f.Mend = "start the program itself, or set NotifyAccess=all"
		default:
			continue
		}
		report(f)
	}
}
