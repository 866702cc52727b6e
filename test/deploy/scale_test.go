package deploy_test

import (
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// TestManyInstances: a rollout of many instances takes what its probes, surge and
// drains make unavoidable, and little more. What is unavoidable is measured
// beside it: the time that such an instance needs from its start until it is
// ready, alone on the same machine under the same load. Two hundred of them are
// for a soak, and sixty for every day.
func TestManyInstances(t *testing.T) {
	w := harness.NewWith(t, harness.SegueFast(t))
	const boot, settle = 200 * time.Millisecond, 100 * time.Millisecond
	n := 60
	if harness.Soak() {
		n = 200
	}
	const more = "probes: { startup: { http: /health, every: 20ms, failures: 500 }, readiness: { http: /health, every: 10s } }\n" +
		"strategy: { surge: 20, min_ready: 100ms }\ndrain: { delay: 50ms }"
	w.Web(n, "BOOT: 200ms, N: 1", more)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100)
	w.Web(n, "BOOT: 200ms, N: 2", more)
	w.Must(0, "deploy")
	d.More(20)
	d.None()
	w.AllServing("web", 2, n)
	h, err := w.Client().History(t.Context(), "web", 1)
	if err != nil {
		t.Fatal(err)
	}
	took := h[0].Ended.Sub(h[0].Began)
	unavoidable := time.Duration(n/20) * (boot + settle + 50*time.Millisecond)
	t.Logf("took %s; probes, surge and drains make %s unavoidable, the rest is what %d processes cost to start and stop here", took, unavoidable, n)
}
