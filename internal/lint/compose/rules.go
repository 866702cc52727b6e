// Package compose has the rules for compose files: a Go file for each, and its
// documentation, with examples that are its test, in doc.
package compose

import (
	"embed"

	"github.com/seguehq/segue/internal/lint"
)

//go:embed doc
var docs embed.FS

// Rules are all of them.
func Rules() lint.Set {
	return lint.Rules[*World]{
		Of:    lint.Compose,
		Texts: docs,
		World: newWorld,
		Rules: map[string]func(*World, lint.Report){
			"compose-npm-start":   npmStart,
			"compose-shell-entry": shellEntry,
			"compose-stop-signal": stopSignal,
			"container-name":      containerName,
			"depends-on-started":  dependsOnStarted,
			"endpoint-mode":       endpointMode,
			"failure-action":      failureAction,
			"host-port":           hostPort,
			"no-healthcheck":      noHealthcheck,
			"restart-policy":      restartPolicy,
			"restarts-with":       restartsWith,
			"rollback-order":      rollbackOrder,
			"start-period":        startPeriod,
			"stop-grace-period":   stopGracePeriod,
			"update-delay":        updateDelay,
			"update-monitor":      updateMonitor,
			"update-order":        updateOrder,
			"update-parallelism":  updateParallelism,
		},
	}
}
