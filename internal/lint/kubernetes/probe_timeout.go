package kubernetes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// probeTimeout: one second for a program that is busy.
func probeTimeout(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			if f, ok := c.hasty(); ok {
				report(f)
			}
		}
	}
}

// hasty finds the probes of a container that give the program a second. What a
// probe by TCP asks is answered by the kernel.
func (c Container) hasty() (lint.Finding, bool) {
	var ends []string
	var f lint.Finding
	for _, p := range []struct {
		key, end string
		*corev1.Probe
	}{
		{"livenessProbe", "the container is killed", c.LivenessProbe},
		{"readinessProbe", "the pod is taken out", c.ReadinessProbe},
	} {
		if p.Probe == nil || p.TCPSocket != nil || timing(p.Probe).Timeout > time.Second {
			continue
		}
		fix := c.Put("3", p.key, "timeoutSeconds")
		if ends == nil {
			f = lint.Finding{At: c.At(p.key, "timeoutSeconds"), Container: c.Name, Fix: fix}
		} else {
			f.Fix = f.Fix.And(fix)
		}
		ends = append(ends, fmt.Sprintf("%s after %d", p.end, timing(p.Probe).Failures))
	}
	f.Hazard = "a program that is busy, or cold after its start, does not answer within the 1 s that the probe waits: " + strings.Join(ends, ", and ") + " such answers"
	f.Mend = "set timeoutSeconds: 3 or more"
	return f, len(ends) > 0
}
