package kubernetes

import (
	"fmt"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// mostByAutoscaler is how many seconds the cluster autoscaler gives a pod at the
// most, if it is not told otherwise.
const mostByAutoscaler = 600

// jobGrace: a piece of work takes longer than the pod has to end.
func jobGrace(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		longest, why, ok := x.longestWork()
		if !ok || x.staysOnItsNode() {
			continue
		}
		hook := time.Duration(0)
		for _, c := range x.Containers() {
			if p := c.PreStop(); p.Known {
				hook = max(hook, p.Total)
			}
		}
		if left := x.Grace() - hook; left < longest {
			needs := whole(longest+hook) + 5
			f := lint.Finding{
				At:     x.AtPod("terminationGracePeriodSeconds"),
				Hazard: fmt.Sprintf("a piece of work takes up to %s (%s), and when its node is drained the pod has %s: it is killed half done", sec(longest), why, sec(left)),
				Mend:   fmt.Sprintf("set terminationGracePeriodSeconds: %d, or keep its node: `cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"`", needs),
			}
			if needs <= mostByAutoscaler {
				f.Fix = x.PutPod(strconv.Itoa(needs), "terminationGracePeriodSeconds")
			}
			report(f)
		}
	}
}

// longestWork is what the pods say of it or, of a Job that is not tried again,
// how long it may take at all.
func (x *Workload) longestWork() (time.Duration, string, bool) {
	if d, ok := x.Note("longest-work"); ok {
		return d, "segue.dev/longest-work", true
	}
	if x.Job == nil || x.Job.ActiveDeadlineSeconds == nil || x.Job.BackoffLimit == nil || *x.Job.BackoffLimit > 0 {
		return 0, "", false
	}
	return seconds(*x.Job.ActiveDeadlineSeconds), "activeDeadlineSeconds, and it is not tried again", true
}

// staysOnItsNode says that a node is not drained under these pods.
func (x *Workload) staysOnItsNode() bool {
	notes := x.Pod.Annotations
	return notes["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false" ||
		notes["karpenter.sh/do-not-disrupt"] == "true" || notes["karpenter.sh/do-not-evict"] == "true"
}
