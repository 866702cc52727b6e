package systemd

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/lint"
)

// reloadRestarts: a reload that stops the program is a restart with another name.
func reloadRestarts(w *World, report lint.Report) {
	for _, u := range w.Told() {
		for _, c := range u.commands("ExecReload") {
			if hazard := u.reloadHazard(c); hazard != "" {
				report(lint.Finding{At: c.at, Hazard: hazard, Mend: u.reloadMend()})
			}
		}
	}
}

// enders end a program, unless it has another meaning for them.
var enders = []string{"TERM", "INT", "KILL", "ABRT", "QUIT"}

func (u *Unit) reloadHazard(c command) string {
	p, signal := u.Running.Program, c.signal()
	hup := lint.HangupUnsure
	if p != nil {
		hup = p.Hangup
	}
	switch {
	case signal == "HUP" && hup == lint.HangupEnds:
		return fmt.Sprintf("%s does not know SIGHUP, and ends on it: a reload is a stop", p.Name)
	case signal == "HUP" && hup == lint.HangupCuts:
		return fmt.Sprintf("on HUP %s kills its workers with the requests that they are answering", p.Name)
	case signal == "HUP" && hup == lint.HangupIgnored:
		return fmt.Sprintf("%s ignores SIGHUP: a reload changes nothing", p.Name)
	case slices.Contains(enders, signal):
		return fmt.Sprintf("`%s` ends the program: a reload is a stop, and nobody listens until it has started again", c)
	case c.restarts():
		return fmt.Sprintf("`%s` stops the program and starts it again: nobody listens in between", c)
	}
	return ""
}

// restarts reports whether a command restarts or stops a service.
func (c command) restarts() bool {
	c = c.unwrapped()
	switch c.name() {
	case "systemctl", "service", "supervisorctl", "docker", "docker-compose", "podman", "pm2", "rc-service", "invoke-rc.d":
		return c.has("restart", "try-restart", "stop", "kill", "force-recreate")
	case "apachectl", "apache2ctl":
		return c.has("restart", "stop")
	case "nginx", "openresty":
		return c.has("stop", "quit")
	}
	return false
}

func (u *Unit) reloadMend() string {
	p := u.Running.Program
	switch {
	case p == nil || !p.Reloads:
		return "take ExecReload= out, so that nobody takes it for harmless; a socket unit keeps the port open across a restart"
	case p.Hangup == lint.HangupReloads:
		return "write ExecReload=/bin/kill -HUP $MAINPID"
	}
	return fmt.Sprintf("write %s's own command for a graceful reload", p.Name)
}
