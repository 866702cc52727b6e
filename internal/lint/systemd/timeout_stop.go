package systemd

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// hasty is a stop timeout at which a warning is due even if nothing is known.
const hasty = 10 * time.Second

// timeoutStop: systemd kills what has not ended after it.
func timeoutStop(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		drain := u.drain(w.Facts)
		slowest, _ := u.service("X-Segue-Slowest-Request").span()
		slowest = max(slowest, w.Facts.Slowest)
		timeout, set, at := u.stopTimeout()
		by := ""
		if !set {
			by = ", by default"
		}
		f := lint.Finding{At: at, Mend: "set TimeoutStopSec= above the longest request, 30s if in doubt"}
		if need := max(drain.Time, slowest); need > 0 {
			value := fmt.Sprintf("%.0fs", (need + 5*time.Second).Seconds())
			f.Mend = "set TimeoutStopSec=" + value
			f.Fix = at.Object.Put(value, "Service", "TimeoutStopSec")
		}
		switch {
		case drain.Known() && timeout == drain.Time:
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("it may need %s to finish (%s), and is killed in the same moment%s", drain.Time, drain.Why, by)
		case drain.Known() && timeout < drain.Time:
			f.Hazard = fmt.Sprintf("it may need %s to finish (%s), and is killed %s after the stop signal%s: requests that are still being answered are cut", drain.Time, drain.Why, timeout, by)
		case slowest > 0 && timeout <= slowest:
			f.Hazard = fmt.Sprintf("its longest request takes %s, and it is killed %s after the stop signal%s", slowest, timeout, by)
		case !drain.Known() && slowest == 0 && timeout < hasty:
			f.Severity = lint.Warning
			f.Hazard = fmt.Sprintf("it is killed %s after the stop signal: every request that takes longer is cut", timeout)
		default:
			continue
		}
		report(f)
	}
}
