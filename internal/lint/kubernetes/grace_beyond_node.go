package kubernetes

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// A notice is how long pods have on a node that may be taken away, by its label.
type notice struct {
	label, value, node string
	time               time.Duration
}

var notices = [...]notice{
	{"cloud.google.com/gke-spot", "true", "Google's spot node", 15 * time.Second},
	{"cloud.google.com/gke-preemptible", "true", "Google's preemptible node", 15 * time.Second},
	{"kubernetes.azure.com/scalesetpriority", "spot", "Azure's spot node", 30 * time.Second},
	{"eks.amazonaws.com/capacityType", "SPOT", "AWS' spot node", 120 * time.Second},
	{"karpenter.sh/capacity-type", "spot", "a spot node", 120 * time.Second},
	{"node.kubernetes.io/lifecycle", "spot", "a spot node", 120 * time.Second},
	{"cloud.google.com/gke-provisioning", "spot", "Google's spot node", 15 * time.Second},
	{"cloud.google.com/gke-provisioning", "preemptible", "Google's preemptible node", 15 * time.Second},
}

// graceBeyondNode: the node goes before the pod has finished.
func graceBeyondNode(w *World, report lint.Report) {
	for x := range w.Served() {
		n, needs := x.noticeOf(), x.stopTime()
		if needs <= n.time || x.staysOnItsNode() {
			continue
		}
		report(lint.Finding{
			At:     x.AtPod("terminationGracePeriodSeconds"),
			Hazard: fmt.Sprintf("the pod may take %s to stop, and %s leaves it %s: what is in flight after that is lost", sec(needs), n.node, sec(n.time)),
			Mend:   fmt.Sprintf("keep preStop and drain within %s, or have it given more there", sec(n.time)),
		})
	}
}

// noticeOf is the notice of the nodes that a workload runs on. Of ordinary nodes
// it is what the cluster autoscaler waits when it removes one.
func (x *Workload) noticeOf() notice {
	for _, n := range notices {
		if x.requires(n.label, n.value) {
			return n
		}
	}
	return notice{node: "the cluster autoscaler (--max-graceful-termination-sec)", time: mostByAutoscaler * time.Second}
}

// stopTime is what a pod asks for: the grace period if it is said, or what is
// known of its hooks and drains.
func (x *Workload) stopTime() time.Duration {
	if x.Pod.Spec.TerminationGracePeriodSeconds != nil {
		return x.Grace()
	}
	var longest time.Duration
	for _, c := range x.Containers() {
		t := c.Drain().Time
		if p := c.PreStop(); p.Known {
			t += p.Total
		}
		longest = max(longest, t)
	}
	return min(longest, x.Grace())
}

// requires says that the pods run on nodes with this label only.
func (x *Workload) requires(label, value string) bool {
	if x.Pod.Spec.NodeSelector[label] == value {
		return true
	}
	a := x.Pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, t := range terms {
		if !termRequires(t, label, value) {
			return false // another term lets it run elsewhere
		}
	}
	return len(terms) > 0
}

func termRequires(t corev1.NodeSelectorTerm, label, value string) bool {
	for _, e := range t.MatchExpressions {
		if e.Key == label && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 && e.Values[0] == value {
			return true
		}
	}
	return false
}
