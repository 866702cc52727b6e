// Package kubernetes has the rules for Kubernetes manifests: a Go file for each,
// and its documentation, with examples that are its test, in doc.
//
// What rules need to know and no manifest says may stand in annotations of the
// pods, or of the workload, as durations:
//
//	segue.dev/drain               the program's longest drain after its signal
//	segue.dev/slowest-request     the longest request
//	segue.dev/serves-on           how long it goes on accepting after its signal
//	segue.dev/startup             the longest start
//	segue.dev/keep-alive          how long it keeps an idle connection
//	segue.dev/max-connection-age  how long a gRPC connection may last
//	segue.dev/longest-work        the longest piece of work of a Job or a worker
package kubernetes

import (
	"embed"

	"github.com/seguehq/segue/internal/lint"
)

//go:embed doc
var docs embed.FS

// Rules are all of them.
func Rules() lint.Set {
	return lint.Rules[*World]{
		Of:    lint.Kubernetes,
		Texts: docs,
		World: newWorld,
		Rules: map[string]func(*World, lint.Report){
			"bare-pod":                        barePod,
			"config-without-hash":             configWithoutHash,
			"deregistration-outlives-prestop": deregistrationOutlivesPreStop,
			"google-draining":                 googleDraining,
			"grace-beyond-node":               graceBeyondNode,
			"grace-exceeded":                  graceExceeded,
			"grace-too-short":                 graceTooShort,
			"grpc-connection-age":             gRPCConnectionAge,
			"host-port-blocks-surge":          hostPortBlocksSurge,
			"job-grace":                       jobGrace,
			"keep-alive-too-short":            keepAliveTooShort,
			"latest-image":                    latestImage,
			"liveness-before-startup":         livenessBeforeStartup,
			"liveness-is-readiness":           livenessIsReadiness,
			"liveness-kills-drain":            livenessKillsDrain,
			"local-traffic":                   localTraffic,
			"max-unavailable-all":             maxUnavailableAll,
			"mesh-drain":                      meshDrain,
			"mesh-hold":                       meshHold,
			"migration-init":                  migrationInit,
			"no-history":                      noHistory,
			"no-min-ready":                    noMinReady,
			"no-pdb":                          noPDB,
			"no-prestop":                      noPreStop,
			"no-readiness":                    noReadiness,
			"no-spread":                       noSpread,
			"no-surge-one-replica":            noSurgeOneReplica,
			"on-delete":                       onDelete,
			"one-replica":                     oneReplica,
			"ordinary-sidecar":                ordinarySidecar,
			"pdb-permits-all":                 pdbPermitsAll,
			"pdb-permits-none":                pdbPermitsNone,
			"prestop-quits":                   preStopQuits,
			"prestop-too-short":               preStopTooShort,
			"probe-timeout":                   probeTimeout,
			"progress-deadline-too-short":     progressDeadlineTooShort,
			"publish-not-ready":               publishNotReady,
			"quick-stop-signal":               quickStopSignal,
			"readiness-gate":                  readinessGate,
			"recreate":                        recreate,
			"replicas-with-hpa":               replicasWithHPA,
			"scale-down-delay":                scaleDownDelay,
			"service-selects-job":             serviceSelectsJob,
			"session-affinity":                sessionAffinity,
			"shell-entry":                     shellEntry,
			"sleep-without-shell":             sleepWithoutShell,
			"surge-beyond-quota":              surgeBeyondQuota,
			"two-pdbs":                        twoPDBs,
			"volume-blocks-surge":             volumeBlocksSurge,
		},
	}
}
