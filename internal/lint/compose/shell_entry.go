package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// shellEntry: a shell does not pass the stop signal on.
func shellEntry(w *World, report lint.Report) {
	for _, s := range w.Served() {
		r := s.Running
		if r.Shell == "" || r.Group || s.traps() {
			continue
		}
		at, where := s.startAt(r.Shell)
		f := lint.Finding{
			At:     at,
			Hazard: fmt.Sprintf("%s is process 1 and passes no signal on: the program is not told to stop, and is killed after %s with the requests that it is answering", r.Shell, s.Grace()),
			Mend:   "write `exec` before the script's last command",
		}
		if s.Init.yes() || r.Init != "" {
			f.Hazard = fmt.Sprintf("the init passes the signal to %s, which ends without telling the program: as soon as it has ended, the program is killed with the requests that it is answering", r.Shell)
		}
		f.Hazard = where + f.Hazard
		report(f)
	}
}

// traps reports whether the script deals with signals itself.
func (s *Service) traps() bool {
	return strings.Contains(strings.Join(slices.Concat(s.Entrypoint, s.Command, s.image.entrypoint.argv, s.image.cmd.argv), " "), "trap ")
}
