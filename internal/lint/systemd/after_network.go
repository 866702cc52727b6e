package systemd

import (
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// afterNetwork: units are stopped in the opposite order of their start.
func afterNetwork(w *World, report lint.Report) {
	for _, u := range w.Serving() {
		if def, set := u.get("Unit", "DefaultDependencies").yes(); u.wantsNetwork() || u.HasSocket() || set && !def {
			continue
		}
		after := u.get("Unit", "After")
		report(lint.Finding{
			At:     after.at,
			Fix:    after.put(strings.TrimSpace(after.value+" network.target"), "Unit", "After"),
			Hazard: "it is not ordered after the network, so when the machine is shut down the network may go before it has finished its requests",
			Mend:   "add After=network.target to [Unit]",
		})
	}
}
