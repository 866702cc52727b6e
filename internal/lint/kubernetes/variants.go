package kubernetes

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// Files that are read together may describe one object several times: a folder
// for each environment, overlays beside their base. Such variants never run
// together, and each belongs to what is nearest to it.

// sortVariants takes away what a workload shares with another variant of it, or
// with another variant of what belongs to it, that is nearer.
func (w *World) sortVariants() {
	twins := map[string][]*Workload{}
	for _, x := range w.Workloads {
		twins[x.Kind+" "+x.Name] = append(twins[x.Kind+" "+x.Name], x)
	}
	services, budgets, autoscalers := map[*Workload][]*Service{}, map[*Workload][]*Budget{}, map[*Workload][]*Autoscaler{}
	for _, x := range w.Workloads {
		of := twins[x.Kind+" "+x.Name]
		services[x] = nearest(x, of, x.Services, func(y *Workload) []*Service { return y.Services })
		budgets[x] = nearest(x, of, x.Budgets, func(y *Workload) []*Budget { return y.Budgets })
		autoscalers[x] = nearest(x, of, x.Autoscalers, func(y *Workload) []*Autoscaler { return y.Autoscalers })
	}
	for _, x := range w.Workloads {
		x.Services, x.Budgets, x.Autoscalers = services[x], budgets[x], autoscalers[x]
		if len(x.Autoscalers) > 0 {
			x.Autoscaler = x.Autoscalers[0]
		}
	}
}

// nearest are those of a list that are no nearer to a twin of x, and to which
// none of the same name is nearer.
func nearest[T any](x *Workload, twins []*Workload, list []*Thing[T], of func(*Workload) []*Thing[T]) []*Thing[T] {
	var left []*Thing[T]
	for _, t := range list {
		far := distance(x.Object, t.Object)
		elsewhere := len(twins) > 1 && slices.ContainsFunc(twins, func(y *Workload) bool {
			return y != x && distance(y.Object, t.Object) < far && slices.Contains(of(y), t)
		})
		if !elsewhere && !slices.ContainsFunc(list, func(o *Thing[T]) bool {
			return o != t && bare(o.Object) == bare(t.Object) && distance(x.Object, o.Object) < far
		}) {
			left = append(left, t)
		}
	}
	return left
}

// bare is an object's kind and name, without its namespace.
func bare(o *lint.Object) string { return o.Text("kind") + " " + o.Text("metadata", "name") }

// distance is how far two objects are apart: 0 in one file, 1 in one folder, and
// one more for every folder in between. Another namespace is far away.
func distance(a, b *lint.Object) int {
	far := 0
	if a.Text("metadata", "namespace") != b.Text("metadata", "namespace") {
		far = 1000
	}
	if a.File == b.File {
		return far
	}
	p, q := folders(a.File.Name), folders(b.File.Name)
	for len(p) > 0 && len(q) > 0 && p[0] == q[0] {
		p, q = p[1:], q[1:]
	}
	return far + 1 + len(p) + len(q)
}

func folders(file string) []string {
	return strings.Split(filepath.ToSlash(filepath.Dir(filepath.Clean(file))), "/")
}
