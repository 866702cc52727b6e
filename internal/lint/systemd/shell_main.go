package systemd

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// shellMain: what goes to the main process goes to a shell. With the default
// KillMode the program gets the stop signal all the same.
func shellMain(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		between := u.between()
		if between == "" || strings.Contains(u.service("ExecStart").value, "trap ") {
			continue
		}
		f := lint.Finding{At: u.service("ExecStart").at, Mend: "start the program itself: write `exec` before the script's last command"}
		switch mode := u.service("KillMode").value; {
		case mode == "mixed":
			f.Hazard = fmt.Sprintf("with KillMode=mixed only %s gets the stop signal, and as soon as it has ended the program is killed with the requests that it is answering", between)
		case mode == "process":
			f.Hazard = fmt.Sprintf("with KillMode=process only %s gets the stop signal: the program stays, and holds the port", between)
		case u.signalsMain():
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("$MAINPID is %s: a signal for it does not reach the program, and may end %s", between, between)
		default:
			continue
		}
		report(f)
	}
}

// signalsMain reports whether a command signals the main process.
func (u *Unit) signalsMain() bool {
	for _, c := range append(u.commands("ExecReload"), u.commands("ExecStop")...) {
		if c.signal() != "" && strings.Contains(c.String(), "MAINPID") {
			return true
		}
	}
	return false
}
