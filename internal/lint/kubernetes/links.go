package kubernetes

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// link finds, once for all rules, which objects belong together.
func (w *World) link() {
	w.linkRollouts()
	budgets := selectorsOf(w.Budgets)
	for _, x := range w.Workloads {
		for _, s := range w.Services {
			if near(s.Is.Namespace, x.Namespace) && selects(s.Is.Spec.Selector, x.Pod.Labels) {
				x.Services = append(x.Services, s)
			}
		}
		for i, b := range w.Budgets {
			if near(b.Is.Namespace, x.Namespace) && budgets[i].Matches(labels.Set(x.Pod.Labels)) {
				x.Budgets = append(x.Budgets, b)
			}
		}
		for _, a := range w.Autoscalers {
			t := a.Is.Spec.ScaleTargetRef
			if near(a.Is.Namespace, x.Namespace) && t.Kind == x.Kind && t.Name == x.Name {
				x.Autoscalers = append(x.Autoscalers, a)
			}
		}
	}
	w.sortVariants()
	for _, x := range w.Workloads {
		x.Fronts = w.frontsOf(x)
	}
}

// linkRollouts gives an Argo Rollout the pods of the Deployment that it refers
// to, and takes the Deployment, which then runs none, out of the world.
func (w *World) linkRollouts() {
	replaced := map[*Workload]bool{}
	for _, r := range w.Workloads {
		if r.Rollout == nil || r.Rollout.Spec.WorkloadRef == nil {
			continue
		}
		for _, x := range w.Workloads {
			ref := r.Rollout.Spec.WorkloadRef
			if x.Kind == ref.Kind && x.Name == ref.Name && near(x.Namespace, r.Namespace) {
				r.Pod, r.podOf = x.Pod, x.Object
				replaced[x] = true
			}
		}
	}
	w.Workloads = slices.DeleteFunc(w.Workloads, func(x *Workload) bool { return replaced[x] })
}

// near says whether two objects may be in one namespace. A manifest that names
// none is put where the command that applies it says.
func near(a, b string) bool { return a == b || a == "" || b == "" }

// selects says whether a Service's selector selects pods of these labels. An
// empty one selects none: its endpoints are made by somebody else.
func selects(selector, of map[string]string) bool {
	for k, v := range selector {
		if of[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// selectorsOf are what the budgets select: none and an illegal one nothing, an
// empty one all. To make one costs more than to ask it.
func selectorsOf(budgets []*Budget) []labels.Selector {
	list := make([]labels.Selector, len(budgets))
	for i, b := range budgets {
		s, err := metav1.LabelSelectorAsSelector(b.Is.Spec.Selector)
		if err != nil {
			s = labels.Nothing()
		}
		list[i] = s
	}
	return list
}
