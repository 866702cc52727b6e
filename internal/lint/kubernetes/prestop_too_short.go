package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// preStopTooShort: the hook waits, but not long enough.
func preStopTooShort(w *World, report lint.Report) {
	for x := range w.Served() {
		if !x.HandsOver() {
			continue
		}
		learns, last := x.Learns()
		for _, c := range x.Serving() {
			p := c.PreStop()
			on := p.Wait + c.Lingers()
			if p.None || !p.Known || on >= learns || p.Quits != "" && p.Wait == 0 {
				continue
			}
			report(c.sleepsLonger(p, x.sleepFor(learns), c.Find(
				fmt.Sprintf("the pod serves on for %s after its end has begun, and %s goes on sending for up to %s: what it sends in the last %s is refused", sec(on), last, sec(learns), sec(learns-on)),
				"", p.path...)))
		}
	}
}

// sleepsLonger is a finding mended: the hook sleeps as long as it should, and the
// program keeps the time that it had.
func (c Container) sleepsLonger(p PreStop, wait time.Duration, f lint.Finding) lint.Finding {
	grace := whole(c.Workload.Grace() + wait - p.Wait)
	f.Mend = fmt.Sprintf("sleep %s, and set terminationGracePeriodSeconds: %d", sec(wait), grace)
	if c.Lifecycle.PreStop.Sleep != nil {
		f.Fix = c.Put(fmt.Sprint(whole(wait)), "lifecycle", "preStop", "sleep", "seconds").
			And(c.Workload.PutPod(fmt.Sprint(grace), "terminationGracePeriodSeconds"))
	}
	return f
}
