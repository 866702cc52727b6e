//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// What a rolling deploy cannot do without: each wave of surge instances boots
// and settles. That the startup probe comes up to `every` late is not counted,
// nor is any cost of starting a process.
const (
	boot     = time.Second
	every    = 100 * time.Millisecond
	minReady = 200 * time.Millisecond
)

var deploys = []struct{ n, surge int }{{3, 1}, {20, 4}, {200, 20}}

// TestDeployTime replaces all instances of a service, and compares the time
// with the sum of what cannot be left out.
func TestDeployTime(t *testing.T) {
	var tab table
	tab.row("instances", "surge", "took, s", "unavoidable, s", "ratio", "goal")
	for _, d := range deploys {
		if quick && d.n > 20 {
			continue
		}
		t.Run(fmt.Sprint(d.n), func(t *testing.T) {
			took := deployTime(t, d.n, d.surge)
			waves := time.Duration((d.n + d.surge - 1) / d.surge)
			least := waves * (boot + minReady)
			tab.row(fmt.Sprint(d.n), fmt.Sprint(d.surge), fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.2f", least.Seconds()),
				fmt.Sprintf("%.2f", took.Seconds()/least.Seconds()), "1.2")
		})
	}
	if t.Failed() || len(tab.rows) <= len(deploys) && !quick {
		t.Logf("not all was measured:\n%s", tab.String())
		return
	}
	write(t, "deploy", fmt.Sprintf("`segue deploy` from start to exit; boot %v, startup probe every %v, min_ready %v, no drain delay, no traffic. "+
		"Unavoidable: ⌈instances ÷ surge⌉ × (%v + %v).", boot, every, minReady, boot, minReady), tab, nil)
}

func deployTime(t *testing.T, n, surge int) time.Duration {
	t.Helper()
	w := harness.NewWith(t, harness.SegueFast(t))
	release := func(number int) {
		w.Web(n, fmt.Sprintf("BOOT: %v, N: %d", boot, number), fmt.Sprintf(
			"probes: { startup: { http: /health, every: %v, failures: 300 }, readiness: { http: /health } }\nstrategy: { surge: %d, min_ready: %v, progress_deadline: 1m }", every, surge, minReady))
	}
	release(1)
	w.Agent()
	w.Must(0, "deploy")
	release(2)
	began := time.Now()
	w.Must(0, "deploy")
	took := time.Since(began)
	w.AllServing("web", 2, n)
	return took
}
