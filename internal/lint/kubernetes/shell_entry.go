package kubernetes

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// shellEntry: the program is a grandchild of the one who gets the signal.
func shellEntry(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			r := c.Running()
			key := "command"
			if len(c.Command) == 0 {
				key = "args"
			}
			switch {
			case r.Manager != nil:
				report(c.Find(r.Manager.Hazard, r.Manager.Mend, key))
			case r.Shell != "" && !c.traps():
				program := "the program"
				if r.Name != "" {
					program = r.Name
				}
				report(c.Find(
					fmt.Sprintf("SIGTERM goes to %s, which does not pass it on to %s: nothing happens for %s, and then all requests are killed", r.Shell, program, sec(x.Grace())),
					fmt.Sprintf("end the script with `exec %s …`, or start the program without a shell", strings.TrimPrefix(program, "the ")),
					key))
			}
		}
	}
}

// traps says that a shell's script takes care of signals itself.
func (c Container) traps() bool {
	return strings.Contains(strings.Join(append(append([]string{}, c.Command...), c.Args...), " "), "trap ")
}
