package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// noSocket: between stop and start nobody holds the port.
func noSocket(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		if u.HasSocket() || u.Template() || u.reloadsWell() {
			continue
		}
		timeout, _, _ := u.stopTimeout()
		for_ := "up to " + timeout.String()
		if timeout == forever {
			for_ = "as long as its requests last"
		}
		report(lint.Finding{
			At:     u.service("ExecStart").at,
			Hazard: fmt.Sprintf("on a restart nobody listens from the stop signal on, for %s and the start: connections are refused", for_),
			Mend:   u.socketMend(),
		})
	}
}

// reloadsWell reports whether there is a way to replace it without a stop.
func (u *Unit) reloadsWell() bool {
	for _, c := range u.commands("ExecReload") {
		if u.reloadHazard(c) != "" {
			return false
		}
	}
	return len(u.commands("ExecReload")) > 0
}

func (u *Unit) socketMend() string {
	p := u.Running.Program
	switch {
	case p != nil && p.Activation == "always":
		return fmt.Sprintf("add a .socket unit with ListenStream=, which holds the port meanwhile; %s takes it by itself", p.Name)
	case p != nil && p.Activation != "":
		return fmt.Sprintf("add a .socket unit with ListenStream=, which holds the port meanwhile; %s takes it with %s", p.Name, p.Activation)
	case p != nil && p.Reloads:
		return fmt.Sprintf("write an ExecReload= with %s's graceful reload, and use it", p.Name)
	}
	return "add a .socket unit with ListenStream=, which holds the port meanwhile, if the program can take it (sd_listen_fds(3)); or run two behind a proxy"
}
