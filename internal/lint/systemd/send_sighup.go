package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// sendSIGHUP: a second signal right after the first, which most do not know.
func sendSIGHUP(w *World, report lint.Report) {
	for _, u := range w.Told() {
		s := u.service("SendSIGHUP")
		if send, _ := s.yes(); !send {
			continue
		}
		if p := u.Running.Program; p != nil && p.Hangup != lint.HangupEnds && p.Hangup != lint.HangupUnsure {
			continue
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("SIGHUP follows the stop signal at once, and ends %s if it does not handle it: it does not get to finish its requests", u.program()),
			Mend:   "take SendSIGHUP=yes out",
			Fix:    s.drop("Service", "SendSIGHUP"),
		})
	}
}
