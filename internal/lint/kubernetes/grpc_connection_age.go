package kubernetes

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// gRPCConnectionAge: connections that outlive every rollout but the one that
// ends them.
func gRPCConnectionAge(w *World, report lint.Report) {
	for x := range w.Served() {
		balanced := slices.ContainsFunc(x.Services, func(s *Service) bool {
			return s.Is.Spec.ClusterIP != corev1.ClusterIPNone && !w.routed(s)
		})
		if _, said := x.Note("max-connection-age"); said || !balanced || x.inMesh() {
			continue
		}
		for _, c := range x.Serving() {
			i := slices.IndexFunc(c.Ports, x.speaksGRPC)
			if i < 0 || c.limitsAge() {
				continue
			}
			report(c.Find(
				"gRPC clients keep one connection for ever: pods that are new get no calls after a rollout, and each that is stopped has all calls of its clients on it",
				"set a maximum connection age in the server, and say so with the annotation segue.dev/max-connection-age",
				"ports", i))
		}
	}
}

// speaksGRPC tells by a port's name, or by the Service's appProtocol.
func (x *Workload) speaksGRPC(p corev1.ContainerPort) bool {
	if strings.HasPrefix(p.Name, "grpc") && !strings.Contains(p.Name, "web") {
		return true
	}
	for _, s := range x.Services {
		for _, sp := range s.Is.Spec.Ports {
			leads := sp.TargetPort.IntVal == p.ContainerPort || sp.TargetPort.StrVal != "" && sp.TargetPort.StrVal == p.Name ||
				sp.TargetPort.IntVal == 0 && sp.TargetPort.StrVal == "" && sp.Port == p.ContainerPort
			if leads && (sp.AppProtocol != nil && *sp.AppProtocol == "grpc" || strings.HasPrefix(sp.Name, "grpc") && !strings.Contains(sp.Name, "web")) {
				return true
			}
		}
	}
	return false
}

var connectionAge = lint.Pattern(`(?i)max[-_.]?conn(ection)?[-_.]?age`)

func (c Container) limitsAge() bool {
	return slices.ContainsFunc(slices.Concat(c.Command, c.Args), connectionAge().MatchString) ||
		slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return connectionAge().MatchString(e.Name) })
}
