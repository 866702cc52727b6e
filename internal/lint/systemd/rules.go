// Package systemd has the rules for systemd units: a Go file for each, and its
// documentation, with examples that are its test, in doc.
package systemd

import (
	"embed"

	"github.com/seguehq/segue/internal/lint"
)

//go:embed doc
var docs embed.FS

// Rules are all of them.
func Rules() lint.Set {
	return lint.Rules[*World]{
		Of:    lint.Systemd,
		Texts: docs,
		World: newWorld,
		Rules: map[string]func(*World, lint.Report){
			"after-network":     afterNetwork,
			"backlog":           backlog,
			"docker-run":        dockerRun,
			"exec-start-twice":  execStartTwice,
			"exec-stop-kills":   execStopKills,
			"exec-stop-returns": execStopReturns,
			"fd-store":          fdStore,
			"flush-pending":     flushPending,
			"kill-mode":         killMode,
			"kill-signal":       killSignal,
			"no-restart":        noRestart,
			"no-socket":         noSocket,
			"notify-access":     notifyAccess,
			"pid-changes":       pidChanges,
			"reload-restarts":   reloadRestarts,
			"restart-sec":       restartSec,
			"runtime-max":       runtimeMax,
			"send-sighup":       sendSIGHUP,
			"send-sigkill":      sendSIGKILL,
			"shell-main":        shellMain,
			"socket-bound":      socketBound,
			"start-limit":       startLimit,
			"taken-along":       takenAlong,
			"timeout-stop":      timeoutStop,
			"type-simple":       typeSimple,
			"watchdog":          watchdog,
		},
	}
}
