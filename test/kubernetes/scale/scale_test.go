//go:build kubernetes

package scale_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/plane"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A deploy is told what happens to pods by watches. So it calls the API server as
// often for 300 pods as for 100, but for what it does by the clock: each call that
// it makes for one pod would be there 200 times more.
func TestCallsDoNotGrowWithPods(t *testing.T) {
	p := plane.Start(t, plane.Find(t))
	p.Nodes(20)
	segue := harness.SegueFast(t)
	cost := map[int]plane.Cost{}
	for _, pods := range []int{100, 300} {
		service := map[int]string{100: "small", 300: "large"}[pods]
		first := p.Deploy(segue, service, pods, 1)
		cost[pods] = p.Deploy(segue, service, pods, 2)
		t.Logf("%d pods: made in %.1f s with %d calls; replaced in %.1f s with %d: %v; %d MiB at most", pods,
			first.Took.Seconds(), first.Calls.Total(), cost[pods].Took.Seconds(), cost[pods].Calls.Total(), cost[pods].Calls, cost[pods].Memory>>20)
	}
	// Leases are renewed by the clock.
	few, many := cost[100].Calls.Without("leases", again), cost[300].Calls.Without("leases", again)
	if grown := many.Total() - few.Total(); grown > 10 {
		t.Errorf("200 pods more took %d calls more: %v", grown, many.Less(few))
	}
	if len(few) == 0 {
		t.Error("no calls were counted at all")
	}
}
