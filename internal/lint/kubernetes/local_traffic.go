package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// localTraffic: a node without a pod is sent requests all the same.
func localTraffic(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, s := range x.Services {
			spec := &s.Is.Spec
			if spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && !x.sentDirectly(s) {
				x.externalLocal(s, report)
			}
			if p := spec.InternalTrafficPolicy; p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal && !x.surgesOnNode() {
				report(lint.Finding{
					At:     s.At("spec", "internalTrafficPolicy"),
					Hazard: fmt.Sprintf("callers on a node are sent to its own pod only: while %s replaces that, all they send is refused", x.Object.Name),
					Mend:   "use Cluster, or a DaemonSet with `maxSurge: 1` and `maxUnavailable: 0`",
				})
			}
		}
	}
}

func (x *Workload) externalLocal(s *Service, report lint.Report) {
	notices := healthCheck(s)
	for _, c := range x.Serving() {
		p := c.PreStop()
		p.Wait += c.Lingers()
		if !p.Known && !p.None || p.Wait >= notices {
			continue
		}
		report(lint.Finding{
			At:     s.At("spec", "externalTrafficPolicy"),
			Hazard: fmt.Sprintf("when a node's last pod leaves, the load balancer's health check notices after some %s; the pods of %s serve on for %s: what comes later is dropped", sec(notices), x.Object.Name, sec(p.Wait)),
			Mend:   fmt.Sprintf("use a preStop hook of %s, with as much more grace period; or externalTrafficPolicy: Cluster", sec(notices+5*time.Second)),
		})
		return
	}
}

// healthCheck is how long a load balancer takes to give a node up: what AWS'
// annotations say, or 10 s × 3, which is AWS' default and longer than others'.
func healthCheck(s *Service) time.Duration {
	number := func(key string, otherwise int) int {
		if n, err := strconv.Atoi(s.Is.Annotations[nlbPrefix+key]); err == nil {
			return n
		}
		return otherwise
	}
	return time.Duration(number("healthcheck-interval", 10)*number("healthcheck-unhealthy-threshold", 3)) * time.Second
}

// sentDirectly says that the load balancer knows the pods, not the nodes.
func (x *Workload) sentDirectly(s *Service) bool {
	return slices.ContainsFunc(x.Fronts, func(f Front) bool { return f.At == s.Object && f.Direct })
}

// surgesOnNode says that a node's new pod is ready before its old one goes.
func (x *Workload) surgesOnNode() bool {
	if x.DaemonSet == nil || x.DaemonSet.Spec.UpdateStrategy.RollingUpdate == nil {
		return false
	}
	surge := x.DaemonSet.Spec.UpdateStrategy.RollingUpdate.MaxSurge
	return surge != nil && *surge != intstr.FromInt32(0) && *surge != intstr.FromString("0%")
}
