package systemd

import (
	"slices"

	"github.com/seguehq/segue/internal/lint"
)

// keepers start what is meant to outlive them.
var keepers = []string{"sshd", "dockerd", "containerd", "crio", "kubelet", "k3s", "libvirtd", "virtqemud", "nomad", "cron", "crond", "atd", "tmux", "screen", "segue", "podman", "incusd", "lxd"}

// killMode: processes that are not killed hold ports and answer with old code.
func killMode(w *World, report lint.Report) {
	for _, u := range w.Told() {
		if slices.Contains(keepers, u.Running.Name) {
			continue
		}
		f := lint.Finding{Mend: "set KillMode=mixed: the signal for the main process, SIGKILL for what is left after it"}
		switch s := u.service("KillMode"); s.value {
		case "none":
			f.At, f.Hazard = s.at, "systemd signals nothing: processes stay after a stop, hold the port so that the new one cannot listen, and answer with the old code"
		case "process":
			f.At, f.Hazard, f.Severity = s.at, "systemd signals and kills the main process alone: workers that it leaves behind hold the port and answer with the old code", lint.Warning
		default:
			continue
		}
		report(f)
	}
}
