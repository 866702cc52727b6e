package manifest

import (
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// PreStop is how long a pod serves on after its end has begun, before it gets its
// signal: in whole seconds, 0 for none.
func PreStop(spec *deploy.Service) time.Duration { return whole(spec.DeregistrationTime()) }

// Grace is the whole time that a pod has from the beginning of its end until it is
// killed: in whole seconds. What a pod drains is no longer parted from its
// stopping as it is behind Segue's proxy: the program does both after its signal.
func Grace(spec *deploy.Service) time.Duration { return PreStop(spec) + StopTime(spec) }

// StopTime is what of Grace is left to the program after its signal.
func StopTime(spec *deploy.Service) time.Duration { return whole(drain(spec) + spec.Stop.Timeout) }

func drain(spec *deploy.Service) time.Duration {
	if spec.Worker() {
		return 0
	}
	return spec.DrainTime()
}

// minReady is how long a pod has to be ready before it counts. Who needs so long
// to learn that a pod leaves needs as long to learn that one has come: the next
// old one is to stay until then.
func minReady(spec *deploy.Service) time.Duration {
	return max(whole(spec.Strategy.MinReady), PreStop(spec))
}

// progressDeadline is how long a rollout may go without getting on. A pod's probes
// must have failed it by then, and its image been pulled.
func progressDeadline(spec *deploy.Service) time.Duration {
	const pull = time.Minute
	need := minReady(spec) + pull
	if p := startupProbe(spec); p != nil {
		need += time.Duration(p.PeriodSeconds) * time.Duration(p.FailureThreshold) * time.Second
	}
	return max(whole(spec.Strategy.ProgressDeadline), need)
}

// whole rounds up to seconds, which is what Kubernetes counts in.
func whole(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

func seconds[N int32 | int64](d time.Duration) N { return N(whole(d) / time.Second) }
