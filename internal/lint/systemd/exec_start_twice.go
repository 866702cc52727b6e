package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// execStartTwice: a drop-in adds a command to the one that it meant to replace.
func execStartTwice(w *World, report lint.Report) {
	for _, u := range w.Services {
		starts := u.all("Service", "ExecStart")
		if t := u.Type(); !u.Whole || t == "oneshot" || len(starts) < 2 {
			continue
		}
		report(lint.Finding{
			At:     starts[len(starts)-1].at,
			Hazard: fmt.Sprintf("there are %d ExecStart= for one service, and systemd refuses to load it: the next restart stops it and cannot start it", len(starts)),
			Mend:   "write an empty `ExecStart=` on the line before, which takes the former one back",
		})
	}
}
