package kubernetes

import (
	"fmt"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// graceTooShort: no time to stop at all, or less than the longest request.
func graceTooShort(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		if len(x.Serving()) == 0 {
			continue
		}
		grace := x.Grace()
		if grace <= time.Second {
			report(lint.Finding{
				At:     x.AtPod("terminationGracePeriodSeconds"),
				Hazard: fmt.Sprintf("the pod has %s to stop before it is killed: every request in flight is lost", sec(grace)),
				Mend:   "leave terminationGracePeriodSeconds out, which is 30, or set it above the preStop hook and the longest request",
				Fix:    x.PutPod("30", "terminationGracePeriodSeconds"),
			})
			continue
		}
		if f, ok := x.graceBelowSlowest(); ok {
			report(f)
		}
	}
}

func (x *Workload) graceBelowSlowest() (lint.Finding, bool) {
	slowest, ok := x.Slowest()
	if !ok {
		return lint.Finding{}, false
	}
	var hook PreStop
	for _, c := range x.Serving() {
		if p := c.PreStop(); p.Known && p.Total > hook.Total {
			hook = p
		}
	}
	left := max(0, x.Grace()-hook.Total)
	if left >= slowest {
		return lint.Finding{}, false
	}
	needs := whole(hook.Total+slowest) + 5
	return lint.Finding{
		At:     x.AtPod("terminationGracePeriodSeconds"),
		Hazard: fmt.Sprintf("the longest request takes %s, and the grace period of %s leaves it %s: it is cut %s before its end", sec(slowest), sec(x.Grace()), sec(left), sec(slowest-left)),
		Mend:   fmt.Sprintf("set terminationGracePeriodSeconds: %d", needs),
		Fix:    x.PutPod(strconv.Itoa(needs), "terminationGracePeriodSeconds"),
	}, true
}
