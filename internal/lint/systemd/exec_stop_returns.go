package systemd

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// execStopReturns: when the stop command has returned, systemd goes on to signal
// what is left, whether that was about to finish or not.
func execStopReturns(w *World, report lint.Report) {
	for _, u := range w.Told() {
		stops, mode := u.commands("ExecStop"), u.service("KillMode").value
		if len(stops) != 1 || mode == "none" {
			continue
		}
		p, sent := u.Running.Program, stops[0].asks()
		if sent == "" || sent == "KILL" || p != nil && p.Firm && sent == p.Graceful && mode == "mixed" {
			continue
		}
		second := lint.Signal(u.service("KillSignal").value)
		if second == "" {
			second = "TERM"
		}
		f := lint.Finding{
			At:     stops[0].at,
			Hazard: fmt.Sprintf("the command only asks and returns, and systemd then sends %s to what is left at once", second),
			Mend:   fmt.Sprintf("take ExecStop= out, and set KillSignal=SIG%s and KillMode=mixed", sent),
		}
		switch {
		case p.Cuts(second) && p.Graceful != "":
			f.Hazard += fmt.Sprintf(": %s, which had begun to finish, quits and cuts the requests that it is answering", p.Name)
		case p != nil && p.Cuts(sent):
			f.Hazard = fmt.Sprintf("on %s %s quits at once and cuts the requests that it is answering", sent, p.Name)
			f.Mend = fmt.Sprintf("take ExecStop= out, and set KillSignal=SIG%s", p.Graceful)
		default:
			f.Severity = lint.Warning
			f.Hazard += ": to many programs the second signal means to quit now"
		}
		report(f)
	}
}

// asks is the signal by which a command asks for a stop without waiting for it;
// "" if it is another kind of command.
func (c command) asks() string {
	if signal := c.signal(); signal != "" {
		return signal
	}
	c = c.unwrapped()
	switch c.name() {
	case "nginx", "openresty":
		if c.has("quit") {
			return "QUIT"
		}
		if c.has("stop") {
			return "TERM"
		}
	case "apachectl", "apache2ctl", "httpd", "apache2":
		if c.has("graceful-stop") {
			return "WINCH"
		}
		if c.has("stop") && c.name() != "apache2ctl" {
			return "TERM"
		}
	case "sh", "bash", "dash":
		script := c.script()
		for _, waits := range []string{"wait", "sleep", "tail ", "kill -0", "while", "until", "timeout"} {
			if strings.Contains(script, waits) {
				return ""
			}
		}
		first, _, _ := strings.Cut(script, "$(")
		if words := lint.Words(first); len(words) > 0 {
			return command{append(words, "1"), c.at}.signal()
		}
	}
	return ""
}
