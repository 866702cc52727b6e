package kubernetes

import (
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// livenessIsReadiness: the same question, and the same patience.
func livenessIsReadiness(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Containers() {
			if !c.asksTheSame() {
				continue
			}
			live, ready := timing(c.LivenessProbe).toFail(), timing(c.ReadinessProbe).toFail()
			if 2*live >= 3*ready {
				continue
			}
			report(c.Find(
				fmt.Sprintf("liveness asks what readiness asks: what takes the pod out of the Service after %s kills it after %s, with the requests that it was to finish", sec(ready), sec(live)),
				fmt.Sprintf("let liveness ask only whether the process works, or let it bear %s at least", sec(2*ready)),
				"livenessProbe"))
		}
	}
}

// toFail is how long a container that has been well must fail until it counts.
func (t Timing) toFail() time.Duration { return time.Duration(t.Failures) * t.Period }

// asksTheSame says that liveness and readiness are one question.
func (c Container) asksTheSame() bool {
	if c.LivenessProbe == nil || c.ReadinessProbe == nil {
		return false
	}
	return reflect.DeepEqual(c.question(c.LivenessProbe), c.question(c.ReadinessProbe))
}

// question is what a probe asks, with ports as numbers.
func (c Container) question(p *corev1.Probe) corev1.ProbeHandler {
	h := *p.ProbeHandler.DeepCopy()
	if h.HTTPGet != nil {
		h.HTTPGet.Port = c.number(h.HTTPGet.Port)
		h.HTTPGet.HTTPHeaders = nil
		if h.HTTPGet.Scheme == "" {
			h.HTTPGet.Scheme = corev1.URISchemeHTTP
		}
	}
	if h.TCPSocket != nil {
		h.TCPSocket.Port = c.number(h.TCPSocket.Port)
	}
	return h
}

// number is a port's number, where the container declares its name.
func (c Container) number(port intstr.IntOrString) intstr.IntOrString {
	for _, p := range c.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal {
			return intstr.FromInt32(p.ContainerPort)
		}
	}
	return port
}
