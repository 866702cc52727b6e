package systemd

import "github.com/seguehq/segue/internal/lint"

// flushPending: connections that wait for the new process are thrown away.
func flushPending(w *World, report lint.Report) {
	for _, u := range w.Sockets {
		s := u.get("Socket", "FlushPending")
		accept, _ := u.get("Socket", "Accept").yes()
		if flush, _ := s.yes(); !flush || accept {
			continue
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: "when the service has ended, the connections that wait in the socket for the next one are rejected",
			Mend:   "take FlushPending=yes out",
			Fix:    s.drop("Socket", "FlushPending"),
		})
	}
}
