package kubernetes

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/lint"
)

// Replicas are as many pods as there are at the least: the autoscaler's minimum,
// or what the workload says, 1 if it says nothing. ok is false where the files
// cannot know: of a DaemonSet and a Job, and where it is scaled down to nothing.
func (x *Workload) Replicas() (n int, ok bool) {
	if a := x.Autoscaler; a != nil {
		n = 1
		if m := a.Is.Spec.MinReplicas; m != nil {
			n = int(*m)
		}
		return n, n > 0
	}
	var said *int32
	switch {
	case x.Deployment != nil:
		said = x.Deployment.Spec.Replicas
	case x.StatefulSet != nil:
		said = x.StatefulSet.Spec.Replicas
	case x.Rollout != nil:
		said = x.Rollout.Spec.Replicas
	default:
		return 0, false
	}
	if said == nil {
		return 1, true
	}
	return int(*said), *said > 0
}

// AtReplicas is where it is said how many pods there are.
func (x *Workload) AtReplicas() lint.Place {
	if a := x.Autoscaler; a != nil {
		if a.Text("kind") == "ScaledObject" {
			return a.At("spec", "minReplicaCount")
		}
		return a.At("spec", "minReplicas")
	}
	return x.At("spec", "replicas")
}

// A Pace is how many pods a rolling update may have too many and too few.
type Pace struct {
	Surge, Unavailable int
	said               string // what the manifest says of Unavailable
}

// Pace is that of a Deployment's rolling update of n pods, as its controller
// computes it: surge is rounded up, unavailable down, and where both come to
// nothing one pod may be missing. ok is false where the update does not roll.
func (x *Workload) Pace(n int) (Pace, bool) {
	d := x.Deployment
	if d == nil || d.Spec.Strategy.Type == "Recreate" {
		return Pace{}, false
	}
	surge, unavailable := intstr.FromString("25%"), intstr.FromString("25%")
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		surge, unavailable = or(r.MaxSurge, surge), or(r.MaxUnavailable, unavailable)
	}
	p := Pace{Surge: share(surge, n, true), Unavailable: share(unavailable, n, false), said: unavailable.String()}
	if p.Surge == 0 && p.Unavailable == 0 {
		p.Unavailable = 1
	}
	return p, true
}

// share is a number, or a percentage of n, rounded as told; 0 if it is neither.
func share(of intstr.IntOrString, n int, up bool) int {
	v, err := intstr.GetScaledValueFromIntOrPercent(&of, n, up)
	if err != nil {
		return 0
	}
	return v
}

func or[T any](v *T, otherwise T) T {
	if v != nil {
		return *v
	}
	return otherwise
}

// count says how many of a thing: "1 pod", "3 pods".
func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

// ofShare says a share and, if it is a percentage, what it comes to: "50%, which
// is 1".
func ofShare(said string, comesTo int) string {
	if _, err := strconv.Atoi(said); err == nil {
		return said
	}
	return fmt.Sprintf("%s, which is %d", said, comesTo)
}
