package kubernetes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// volumeBlocksSurge: old and new pod want a volume that one can have.
func volumeBlocksSurge(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		n, _ := x.Replicas()
		p, rolls := x.Pace(max(n, 1))
		if !rolls || p.Surge == 0 || len(x.Serving()) == 0 {
			continue
		}
		for i, v := range x.Pod.Spec.Volumes {
			if v.PersistentVolumeClaim == nil {
				continue
			}
			mode, alone := w.onlyFor(x.Namespace, v.PersistentVolumeClaim.ClaimName)
			if !alone {
				continue
			}
			report(lint.Finding{
				At:       x.AtPod("volumes", i, "persistentVolumeClaim"),
				Hazard:   fmt.Sprintf("a rollout starts %s beside the old, which hold the volume %s, and %s gives it to %s: the new wait for the old, and the old are not stopped before", count(p.Surge, "new pod"), v.PersistentVolumeClaim.ClaimName, mode, holders[mode]),
				Mend:     volumeMend(x),
				Severity: blocked(p, mode),
			})
		}
	}
}

var holders = map[corev1.PersistentVolumeAccessMode]string{
	corev1.ReadWriteOnce:    "one node at a time",
	corev1.ReadWriteOncePod: "one pod at a time",
}

// onlyFor says whether a claim's volume can be had by one node or one pod only.
func (w *World) onlyFor(namespace, claim string) (corev1.PersistentVolumeAccessMode, bool) {
	for _, c := range w.Claims {
		if c.Is.Name != claim || !near(c.Is.Namespace, namespace) || len(c.Is.Spec.AccessModes) == 0 {
			continue
		}
		shared := slices.ContainsFunc(c.Is.Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool { return holders[m] == "" })
		return c.Is.Spec.AccessModes[0], !shared
	}
	return "", false
}

func volumeMend(x *Workload) string {
	if x.KeepsData() {
		return "use a StatefulSet with volumeClaimTemplates; or `strategy: {type: Recreate}`, which says what happens anyway"
	}
	return "use a ReadWriteMany volume, a StatefulSet with volumeClaimTemplates, or the data elsewhere"
}

// blocked: a volume that one pod may have, and no pod that may be missing, leave
// no way on. One node may have both pods.
func blocked(p Pace, mode corev1.PersistentVolumeAccessMode) lint.Severity {
	if p.Unavailable == 0 && mode == corev1.ReadWriteOncePod {
		return lint.Error
	}
	return lint.Warning
}
