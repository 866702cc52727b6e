package systemd

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/lint"
)

// dockerRun: systemd stops the client, and the container is somebody else's child.
func dockerRun(w *World, report lint.Report) {
	for _, u := range w.Services {
		starts := u.commands("ExecStart")
		if !u.Lasts() || len(starts) == 0 {
			continue
		}
		c := starts[len(starts)-1].unwrapped()
		if c.name() != "docker" || len(c.argv) < 2 || c.argv[1] != "run" && c.argv[1] != "start" {
			continue
		}
		f := lint.Finding{At: c.at, Mend: "add ExecStop=/usr/bin/docker stop --time=60 NAME, and ExecStartPre=-/usr/bin/docker rm -f NAME"}
		timeout, _, _ := u.stopTimeout()
		switch {
		case c.argv[1] == "run" && slices.ContainsFunc(c.argv, func(a string) bool { return a == "-d" || a == "--detach" || a == "-dit" }):
			f.Hazard = "docker run -d returns at once, and systemd takes the service for ended: it starts another, or shows it as stopped while the container runs"
			f.Mend = "take -d out"
		case len(u.commands("ExecStop")) > 0:
			continue
		default:
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("systemd stops docker's client, not the container: if that has not ended after %s the client is killed, the container goes on, and holds the name and the port that the new one needs", timeout)
		}
		report(f)
	}
}
