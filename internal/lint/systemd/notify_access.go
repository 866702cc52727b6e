package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// notifyAccess: only the main process is believed, and that is not the program.
func notifyAccess(w *World, report lint.Report) {
	for _, u := range w.Services {
		s := u.service("NotifyAccess")
		between := u.between()
		if !u.Whole || !u.Notifies() || between == "" || s.value == "all" {
			continue
		}
		timeout := "1min 30s"
		if t := u.service("TimeoutStartSec").value; t != "" {
			timeout = t
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("the main process is %s, and what the program under it says is not believed: the service never becomes ready, and is stopped after %s", between, timeout),
			Mend:   "start the program itself (`exec` before a script's last command), or set NotifyAccess=all",
		})
	}
}

// between is what stands between systemd and the program: a shell that stays,
// or npm and the like.
func (u *Unit) between() string {
	switch {
	case u.Running.Shell != "":
		return u.Running.Shell
	case u.Running.Manager != nil:
		return u.Running.Manager.Name
	}
	return ""
}
