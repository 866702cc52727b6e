package systemd

import (
	"fmt"
	"strconv"

	"github.com/seguehq/segue/internal/lint"
)

// enough connections may wait that nobody is warned.
const enough = 128

// backlog: the queue in which connections wait while the service is replaced.
func backlog(w *World, report lint.Report) {
	for _, u := range w.Sockets {
		s := u.get("Socket", "Backlog")
		n, err := strconv.Atoi(s.value)
		if err != nil || n >= enough || len(u.all("Socket", "ListenStream")) == 0 {
			continue
		}
		report(lint.Finding{
			At:     s.at,
			Hazard: fmt.Sprintf("%d connections can wait while the service is replaced; those that come then are dropped, and tried again by the client's kernel after 1 s, 3 s, 7 s", n),
			Mend:   "take Backlog= out: by default it is what net.core.somaxconn allows, 4096",
			Fix:    s.drop("Socket", "Backlog"),
		})
	}
}
