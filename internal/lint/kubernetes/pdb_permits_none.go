package kubernetes

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// pdbPermitsNone: a drain cannot end but by force.
func pdbPermitsNone(w *World, report lint.Report) {
	for _, b := range w.Budgets {
		guarded := w.guardedBy(b)
		key, said, ok := budgetSays(b)
		if !ok || guarded.store {
			continue
		}
		permits, ok := guarded.permits(b)
		if !ok || permits > 0 {
			continue
		}
		pods := ""
		if guarded.known {
			pods = fmt.Sprintf(" of %s%s", count(guarded.pods, "pod"), guarded.of)
		}
		report(lint.Finding{
			At:     b.At("spec", key),
			Hazard: fmt.Sprintf("%s: %s%s permits no eviction: a node's drain waits until its patience is over, and then the pods are deleted without asking", key, said, pods),
			Mend:   "set maxUnavailable: 1 (and no minAvailable), with two replicas or more",
		})
	}
}

// budgetSays is a budget's number, and where it stands.
func budgetSays(b *Budget) (key, said string, ok bool) {
	switch spec := b.Is.Spec; {
	case spec.MaxUnavailable != nil:
		return "maxUnavailable", spec.MaxUnavailable.String(), true
	case spec.MinAvailable != nil:
		return "minAvailable", spec.MinAvailable.String(), true
	}
	return "", "", false
}

// Guarded are the pods that a budget counts, at their fewest.
type Guarded struct {
	pods   int
	known  bool   // pods is; it is not if no workload, or one without a number, matches
	of     string // says that it is an autoscaler's minimum
	served bool   // there is one among them that answers requests
	store  bool   // there is one among them that keeps data
}

func (w *World) guardedBy(b *Budget) Guarded {
	g, unsure := Guarded{}, false
	for _, x := range w.Workloads {
		if !slices.Contains(x.Budgets, b) || x.Job != nil {
			continue
		}
		n, ok := x.Replicas()
		unsure = unsure || !ok
		g.pods += n
		g.store = g.store || x.KeepsData()
		g.served = g.served || len(x.Serving()) > 0
		if x.Autoscaler != nil {
			g.of = " (the autoscaler's minimum)"
		}
	}
	g.known = g.pods > 0 && !unsure
	return g
}

// permits is how many evictions a budget grants while all pods are well.
// Percentages are rounded up, as its controller does.
func (g Guarded) permits(b *Budget) (n int, ok bool) {
	said, least := b.Is.Spec.MaxUnavailable, b.Is.Spec.MinAvailable
	switch {
	case said != nil && (*said == intstr.FromInt32(0) || *said == intstr.FromString("0%")):
		return 0, true
	case said == nil && least != nil && *least == intstr.FromString("100%"):
		return 0, true
	case !g.known:
		return 0, false
	case said != nil:
		return min(share(*said, g.pods, true), g.pods), true
	}
	return max(0, g.pods-share(*least, g.pods, true)), true
}
