package systemd

import "github.com/seguehq/segue/internal/lint"

// sendSIGKILL: what does not end after its signal goes on for ever.
func sendSIGKILL(w *World, report lint.Report) {
	for _, u := range w.Told() {
		s := u.service("SendSIGKILL")
		if send, ok := s.yes(); !ok || send {
			continue
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: "a process that does not end on the stop signal stays, with its port and its connections, and systemd refuses to start the new one beside it",
			Mend:   "take SendSIGKILL=no out, and set TimeoutStopSec= above the longest request",
			Fix:    s.drop("Service", "SendSIGKILL"),
		})
	}
}
