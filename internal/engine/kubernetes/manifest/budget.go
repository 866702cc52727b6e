package manifest

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/deploy"
)

// Budget lets a node be drained while the service serves on: it always permits an
// eviction, of one pod also where there is but one, and never of all. It is of all
// the service's pods, whichever Deployment they are of.
func Budget(spec *deploy.Service, o Options) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: meta(spec, o, spec.Name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             new(intstr.FromInt(evictable(spec))),
			Selector:                   &metav1.LabelSelector{MatchLabels: Selector(spec, "")},
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}
}

// evictable is how many pods may be missing at once: what a rolling deploy may
// take away too, or one, or of many a tenth, for a node's drain is to end.
func evictable(spec *deploy.Service) int {
	n := spec.Replicas
	if a := settings(spec).Autoscale; a != nil {
		n = a.Min
	}
	wanted := max(1, n/10)
	if spec.Strategy.Type == deploy.Rolling {
		wanted = max(wanted, spec.Strategy.Unavailable)
	}
	return max(1, min(wanted, n-1))
}
