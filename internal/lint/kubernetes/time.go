package kubernetes

import (
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// seconds is a manifest's number of them, within bounds that can be added up.
func seconds[N int32 | int64](n N) time.Duration {
	const most = 10 * 365 * 24 * 3600
	return time.Duration(max(0, min(int64(n), most))) * time.Second
}

// sec says a duration as manifests do: in seconds.
func sec(d time.Duration) string {
	if d%time.Second != 0 {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// whole is a duration in whole seconds, rounded up.
func whole(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// A Timing is a probe's numbers, with Kubernetes' defaults for what is not said.
type Timing struct {
	Delay, Period, Timeout time.Duration
	Failures               int
}

func timing(p *corev1.Probe) Timing {
	t := Timing{Delay: seconds(p.InitialDelaySeconds), Period: 10 * time.Second, Timeout: time.Second, Failures: 3}
	if p.PeriodSeconds > 0 {
		t.Period = seconds(p.PeriodSeconds)
	}
	if p.TimeoutSeconds > 0 {
		t.Timeout = seconds(p.TimeoutSeconds)
	}
	if p.FailureThreshold > 0 {
		t.Failures = int(p.FailureThreshold)
	}
	return t
}

// Budget is the longest that the probe bears with a container that does not
// answer, from its start.
func (t Timing) Budget() time.Duration { return t.Delay + time.Duration(t.Failures)*t.Period }

// Soonest is the earliest moment after its start at which a container that does
// not answer has failed: the first probe comes right after the delay.
func (t Timing) Soonest() time.Duration { return t.Delay + time.Duration(t.Failures-1)*t.Period }

func (t Timing) String() string {
	if t.Delay == 0 {
		return fmt.Sprintf("%s × %d", sec(t.Period), t.Failures)
	}
	return fmt.Sprintf("%s + %s × %d", sec(t.Delay), sec(t.Period), t.Failures)
}
