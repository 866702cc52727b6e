package kubernetes

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/seguehq/segue/internal/lint"
)

// surgeBeyondQuota: the namespace has no room for old and new pods together.
func surgeBeyondQuota(w *World, report lint.Report) {
	for _, q := range w.Quotas {
		if len(q.Is.Spec.Scopes) > 0 || q.Is.Spec.ScopeSelector != nil {
			continue // counts some pods only
		}
		for _, name := range []corev1.ResourceName{corev1.ResourcePods,
			corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory} {
			hard, ok := q.Is.Spec.Hard[name]
			if !ok {
				continue
			}
			if f, ok := w.beyond(q, name, hard); ok {
				report(f)
				break // one is enough to hang
			}
		}
	}
}

// beyond adds up what all workloads use at their largest, and the one surge that
// is the largest: rollouts are not all at once.
func (w *World) beyond(q *Thing[corev1.ResourceQuota], name corev1.ResourceName, hard resource.Quantity) (lint.Finding, bool) {
	var base, surge resource.Quantity
	var by *Workload
	var extra int
	for _, x := range w.Workloads {
		n, ok := x.most()
		if !ok || !near(x.Namespace, q.Is.Namespace) {
			continue
		}
		each := x.uses(name)
		base.Add(times(each, n))
		if p, rolls := x.Pace(n); rolls {
			if s := times(each, p.Surge); s.Cmp(surge) > 0 {
				surge, by, extra = s, x, p.Surge
			}
		}
	}
	all := base.DeepCopy()
	all.Add(surge)
	if by == nil || all.Cmp(hard) <= 0 {
		return lint.Finding{}, false
	}
	return lint.Finding{
		At: by.At("spec", "strategy", "rollingUpdate"),
		Hazard: fmt.Sprintf("of %s all pods use %s, and %s of a rollout %s more; that is %s, and the quota %s allows %s: the new pods are not created, and the rollout hangs",
			name, base.String(), count(extra, "new pod"), surge.String(), all.String(), q.Is.Name, hard.String()),
		Mend: fmt.Sprintf("raise the quota's %s to %s, or make maxSurge smaller", name, all.String()),
	}, true
}

// most is the largest number of pods outside of a rollout.
func (x *Workload) most() (int, bool) {
	if a := x.Autoscaler; a != nil {
		return int(a.Is.Spec.MaxReplicas), true
	}
	return x.Replicas()
}

// uses is what a quota counts for one pod.
func (x *Workload) uses(name corev1.ResourceName) resource.Quantity {
	if name == corev1.ResourcePods {
		return *resource.NewQuantity(1, resource.DecimalSI)
	}
	amount := func(c Container) resource.Quantity {
		switch name {
		case corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory:
			return c.Resources.Requests[corev1.ResourceName(name[len("requests."):])]
		}
		return c.Resources.Limits[corev1.ResourceName(name[len("limits."):])]
	}
	var sum resource.Quantity
	for _, c := range append(x.Containers(), x.Sidecars()...) {
		sum.Add(amount(c))
	}
	for _, c := range x.Init() {
		if a := amount(c); a.Cmp(sum) > 0 {
			sum = a
		}
	}
	return sum
}

func times(q resource.Quantity, n int) resource.Quantity {
	q = q.DeepCopy()
	q.Mul(int64(n))
	return q
}
