package kubernetes

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// graceExceeded: preStop + drain ≥ grace.
func graceExceeded(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		_, own := x.Note("drain")
		if x.Job != nil || x.Grace() <= time.Second || x.KeepsData() && !own { // the second is grace-too-short
			continue
		}
		for _, c := range append(x.Containers(), x.Sidecars()...) {
			if f, ok := c.exceedsGrace(); ok {
				report(f)
			}
		}
	}
}

func (c Container) exceedsGrace() (lint.Finding, bool) {
	x, hook, drain := c.Workload, c.PreStop(), c.Drain()
	grace := x.Grace()
	if !hook.Known {
		hook.Total = 0
	}
	if !drain.Known() {
		if hook.Total == 0 || hook.Total < grace {
			return lint.Finding{}, false
		}
		return c.Find(
			fmt.Sprintf("the preStop hook takes %s, all of the grace period of %s: the program is killed without a moment to finish", sec(hook.Total), sec(grace)),
			fmt.Sprintf("set terminationGracePeriodSeconds to %s and what the program needs on top", sec(hook.Total)),
			hook.path...), true
	}
	sum := hook.Total + drain.Time
	byDefault := strings.HasSuffix(drain.Why, "default")
	if sum < grace || byDefault && sum == grace {
		return lint.Finding{}, false
	}
	needs := whole(sum) + 5
	f := lint.Finding{
		At:        x.AtPod("terminationGracePeriodSeconds"),
		Container: c.Name,
		Hazard:    fmt.Sprintf("%sdrain %s (%s) = %s, grace %s: %s", hook.term(), sec(drain.Time), drain.Why, sec(sum), sec(grace), killed(sum-grace)),
		Mend:      fmt.Sprintf("set terminationGracePeriodSeconds: %d", needs),
		Fix:       x.PutPod(strconv.Itoa(needs), "terminationGracePeriodSeconds"),
	}
	if byDefault {
		f.Severity = lint.Warning
	}
	return f, true
}

func (p PreStop) term() string {
	if p.Total == 0 {
		return ""
	}
	return "preStop " + sec(p.Total) + " + "
}

func killed(early time.Duration) string {
	if early == 0 {
		return "killed in the moment in which it is done"
	}
	return "killed " + sec(early) + " early"
}
