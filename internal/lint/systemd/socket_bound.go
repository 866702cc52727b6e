package systemd

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// socketBound: a socket that goes with its service holds nothing while that is
// replaced.
func socketBound(w *World, report lint.Report) {
	for _, u := range w.Sockets {
		of := u.get("Socket", "Service").value
		if of == "" {
			of = strings.TrimSuffix(u.Name, ".socket") + ".service"
		}
		for _, key := range []string{"BindsTo", "PartOf", "Requires"} {
			for _, s := range u.words("Unit", key) {
				if s.value != of {
					continue
				}
				report(lint.Finding{
					At:     s.at,
					Hazard: fmt.Sprintf("%s=%s closes the socket whenever the service is stopped or restarted: connections are refused in between, and those that wait in it are reset", key, of),
					Mend:   fmt.Sprintf("take %s=%s out: the socket stays open, and connections wait in it until the new one is there", key, of),
				})
			}
		}
	}
}
