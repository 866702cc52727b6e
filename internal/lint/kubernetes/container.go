package kubernetes

import (
	"iter"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// A Container of a workload's pods.
type Container struct {
	*corev1.Container
	Workload *Workload

	list string // its list in the pod's spec
	i    int    // its place in there
}

// At is the place of a path below the container.
func (c Container) At(path ...any) lint.Place { return c.Workload.AtPod(c.path(path)...) }

// Put is the fix that writes a value below the container.
func (c Container) Put(value string, path ...any) *lint.Fix {
	return c.Workload.PutPod(value, c.path(path)...)
}

// Drop is the fix that takes out what stands at a path below the container.
func (c Container) Drop(path ...any) *lint.Fix {
	return c.Workload.podOf.Drop(c.Workload.specPath(c.path(path))...)
}

func (c Container) path(path []any) []any { return slices.Concat([]any{c.list, c.i}, path) }

// Find is a finding at a path below the container.
func (c Container) Find(hazard, mend string, path ...any) lint.Finding {
	return lint.Finding{At: c.At(path...), Container: c.Name, Hazard: hazard, Mend: mend}
}

// Running is what the container's command line starts, as far as it can be told.
func (c Container) Running() lint.Running {
	return lint.Look(c.Image, slices.Concat(c.Command, c.Args), func(name string) string {
		for _, e := range c.Env {
			if e.Name == name {
				return e.Value
			}
		}
		return ""
	})
}

// Drain is how long the program needs for the requests that it has.
func (c Container) Drain() lint.Drain {
	own, _ := c.Workload.Note("drain")
	return c.Workload.world.Facts.DrainOf(own, "segue.dev/drain", c.Running())
}

// Containers are those that run beside one another for the pod's whole life:
// not init containers, not sidecars.
func (x *Workload) Containers() []Container {
	list := make([]Container, 0, len(x.Pod.Spec.Containers))
	for i := range x.Pod.Spec.Containers {
		list = append(list, Container{&x.Pod.Spec.Containers[i], x, "containers", i})
	}
	return list
}

// Init are the containers that run before the others, one after another, without
// sidecars.
func (x *Workload) Init() []Container { return x.inits(false) }

// Sidecars are init containers that go on running, and are stopped last.
func (x *Workload) Sidecars() []Container { return x.inits(true) }

func (x *Workload) inits(always bool) []Container {
	var list []Container
	for i := range x.Pod.Spec.InitContainers {
		c := &x.Pod.Spec.InitContainers[i]
		if (c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways) == always {
			list = append(list, Container{c, x, "initContainers", i})
		}
	}
	return list
}

// Serving are the containers that answer requests: those to whose ports a
// Service leads or, where no Service is among the files, those that have a port
// which is not there for watching them only.
func (x *Workload) Serving() []Container {
	if x.Job != nil || x.Kind == "Pod" && len(x.Services) == 0 {
		return nil
	}
	if len(x.Services) > 0 {
		return x.behindServices()
	}
	if x.world.hasServices(x.Namespace) {
		return nil
	}
	var list []Container
	for _, c := range x.Containers() {
		if !c.exports() && slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return !watching(p.Name) }) {
			list = append(list, c)
		}
	}
	return list
}

func (w *World) hasServices(namespace string) bool {
	return slices.ContainsFunc(w.Services, func(s *Service) bool { return near(s.Is.Namespace, namespace) })
}

// behindServices falls back to the first container: a port that is not declared
// is open all the same.
func (x *Workload) behindServices() []Container {
	var list []Container
	all := x.Containers()
	for _, c := range all {
		if proxyOf(c.Container) == "" && !c.exports() && slices.ContainsFunc(x.Services, func(s *Service) bool { return leadsTo(s, c) }) {
			list = append(list, c)
		}
	}
	if len(list) == 0 && len(all) > 0 && !all[0].exports() && !x.onlyWatched() {
		list = all[:1]
	}
	return list
}

// exports says that a container is there for metrics, whatever its port is called.
func (c Container) exports() bool {
	name := c.Name + " " + parseImage(c.Image).Base()
	return strings.Contains(name, "exporter") || strings.Contains(name, "kube-rbac-proxy")
}

// leadsTo says whether a Service has a port that a container declares, other
// than for watching it.
func leadsTo(s *Service, c Container) bool {
	for _, sp := range s.Is.Spec.Ports {
		if watching(sp.Name) {
			continue
		}
		target := sp.TargetPort
		if target == (intstr.IntOrString{}) {
			target = intstr.FromInt32(sp.Port)
		}
		for _, p := range c.Ports {
			named := target.Type == intstr.String && target.StrVal == p.Name
			if (named || target.Type == intstr.Int && target.IntVal == p.ContainerPort) && !watching(p.Name) {
				return true
			}
		}
	}
	return false
}

// onlyWatched says that all Services are there for metrics and the like.
func (x *Workload) onlyWatched() bool {
	for _, s := range x.Services {
		for _, p := range s.Is.Spec.Ports {
			if !watching(p.Name) && !watching(p.TargetPort.StrVal) {
				return false
			}
		}
	}
	return true
}

// watching says that a port of this name is there to watch the program, not to
// ask it something.
func watching(port string) bool {
	for _, word := range strings.FieldsFunc(strings.ToLower(port), func(r rune) bool { return r == '-' || r == '_' }) {
		switch word {
		case "metrics", "metric", "prometheus", "prom", "monitoring", "telemetry", "stats", "health", "healthz",
			"healthcheck", "probe", "probes", "livez", "readyz", "debug", "pprof", "jmx", "jmxremote", "profiling":
			return true
		}
	}
	return false
}

// HandsOver says that other pods take over while one of them leaves, and that a
// Service leads to them: that is when it matters when the news of it arrives.
func (x *Workload) HandsOver() bool {
	if n, ok := x.Replicas(); ok && n == 1 && x.StatefulSet != nil || x.Kind == "Pod" {
		return false
	}
	for _, s := range x.Services {
		if s.Is.Spec.ClusterIP != corev1.ClusterIPNone {
			return true
		}
	}
	return len(x.Services) == 0
}

// Served are the workloads that answer requests and are meant to be replaced
// without losing one: not those that keep data, which have ways of their own.
func (w *World) Served() iter.Seq[*Workload] {
	return func(yield func(*Workload) bool) {
		for _, x := range w.Workloads {
			if len(x.Serving()) > 0 && !x.KeepsData() && !yield(x) {
				return
			}
		}
	}
}
