package manifest

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/deploy"
)

// What is asked where the service says nothing, as on one machine.
const (
	usualFailures = 3
	startupBudget = time.Minute
)

// leastTimeout of a question that a program answers: a kubelet asks for all pods
// of its node, and a program that is cold or at its CPU limit needs more than
// the second that is enough on a machine of its own.
const leastTimeout = 3 * time.Second

// startupProbe is the service's, or the question of readiness asked for a minute;
// nil if nothing is asked.
func startupProbe(spec *deploy.Service) *corev1.Probe {
	p := spec.Probes.Startup
	if p == nil || p.Notify { // nobody takes READY=1 here
		ready := readiness(spec)
		if ready == nil {
			return nil
		}
		implied := *ready
		implied.Every, implied.Successes, implied.Failures = time.Second, 1, int(startupBudget/time.Second)
		p = &implied
	}
	out := probe(spec, p)
	out.SuccessThreshold = 0 // of startup and liveness it must be 1, which is what it is
	return out
}

func readinessProbe(spec *deploy.Service) *corev1.Probe { return patient(probe(spec, readiness(spec))) }

func livenessProbe(spec *deploy.Service) *corev1.Probe {
	out := patient(probe(spec, spec.Probes.Liveness))
	if out != nil {
		out.SuccessThreshold = 0
	}
	return out
}

// readiness is what a pod is asked before it gets requests; nil for a worker that
// is asked nothing.
func readiness(spec *deploy.Service) *deploy.Probe {
	if p := spec.Probes.Readiness; p != nil || spec.Worker() {
		return p
	}
	return &deploy.Probe{TCP: true, Every: time.Second, Timeout: time.Second, Failures: usualFailures, Successes: 1}
}

// probe asks what p does. Kubernetes counts whole seconds: what was to be asked
// more often is asked as often less before it is given up, so that the time until
// a yes or a no stays what it was, rounded up.
func probe(spec *deploy.Service, p *deploy.Probe) *corev1.Probe {
	if p == nil {
		return nil
	}
	every := max(whole(p.Every), time.Second)
	return &corev1.Probe{
		ProbeHandler:     question(spec, p),
		PeriodSeconds:    seconds[int32](every),
		TimeoutSeconds:   seconds[int32](max(p.Timeout, 1)),
		FailureThreshold: times(p.Every, p.Failures, every),
		SuccessThreshold: times(p.Every, p.Successes, every),
	}
}

// times is how often to ask every so often for what n questions were to take.
func times(was time.Duration, n int, every time.Duration) int32 {
	budget := was * time.Duration(max(1, n))
	return int32(max(1, (budget+every-1)/every))
}

// patient gives a program that has to answer time to. What a probe by TCP asks
// is answered by the kernel.
func patient(p *corev1.Probe) *corev1.Probe {
	if p != nil && p.TCPSocket == nil {
		p.TimeoutSeconds = max(p.TimeoutSeconds, seconds[int32](leastTimeout))
	}
	return p
}

func question(spec *deploy.Service, p *deploy.Probe) corev1.ProbeHandler {
	port := intstr.FromString(portName(spec))
	switch {
	case p.HTTP != "":
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: p.HTTP, Port: port}}
	case len(p.Exec) > 0:
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: probeCommand(spec, p.Exec)}}
	}
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}
}
