package kubernetes

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// livenessKillsDrain: the probe does not let the program finish.
func livenessKillsDrain(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			if c.LivenessProbe == nil {
				continue
			}
			if f, ok := c.livenessGrace(); ok {
				report(f)
			} else if f, ok := c.livenessDuringDrain(); ok {
				report(f)
			}
		}
	}
}

// livenessGrace: after a failed probe, hook and drain have the probe's own grace.
func (c Container) livenessGrace() (lint.Finding, bool) {
	own := c.LivenessProbe.TerminationGracePeriodSeconds
	needs := c.Drain().Time
	if p := c.PreStop(); p.Known {
		needs += p.Total
	}
	if own == nil || seconds(*own) >= needs {
		return lint.Finding{}, false
	}
	f := c.Find(
		fmt.Sprintf("a container that liveness restarts has %s for its preStop hook and its drain, which take %s: it is killed %s early", sec(seconds(*own)), sec(needs), sec(needs-seconds(*own))),
		fmt.Sprintf("leave it out, so that the pod's grace period of %s counts, or set it to %d", sec(c.Workload.Grace()), whole(needs)+5),
		"livenessProbe", "terminationGracePeriodSeconds")
	if needs <= c.Workload.Grace() {
		f.Fix = c.Drop("livenessProbe", "terminationGracePeriodSeconds")
	}
	return f, true
}

// livenessDuringDrain: a port that is closed, or an endpoint that says "not
// ready", is asked for liveness while the program drains.
func (c Container) livenessDuringDrain() (lint.Finding, bool) {
	drain, t := c.Drain(), timing(c.LivenessProbe)
	if !drain.Known() || t.toFail() >= drain.Time || !c.asksTheSame() && !c.asksServingPort(c.LivenessProbe) {
		return lint.Finding{}, false
	}
	return c.Find(
		fmt.Sprintf("the program drains for up to %s, and liveness (%s) asks what a draining program closes or denies: kubelets before 1.25 kill it after %s, and any kubelet if it began to drain by itself", sec(drain.Time), t, sec(t.toFail())),
		"ask for liveness at a port and path that answer until the end",
		"livenessProbe"), true
}

// asksServingPort says that a probe connects to where the requests come in.
func (c Container) asksServingPort(p *corev1.Probe) bool {
	if p.TCPSocket == nil {
		return false
	}
	port := c.number(p.TCPSocket.Port)
	for _, open := range c.Ports {
		if intstr.FromInt32(open.ContainerPort) == port && !watching(open.Name) {
			return true
		}
	}
	return false
}
