//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/plane"
)

// TestCluster deploys services of more and more pods on a Kubernetes of 1,000
// nodes that are simulated. What segue takes for it, in calls and in memory, is
// the client's own; how long it lasts is the control plane's affair.
func TestCluster(t *testing.T) {
	nodes, sizes := 1000, []int{100, 1000, 10000}
	if quick {
		nodes, sizes = 20, []int{100, 300}
	}
	p := plane.Start(t, plane.Find(t))
	p.Nodes(nodes)
	segue := harness.SegueFast(t)
	var tab table
	tab.row("pods", "made in, s", "replaced in, s", "calls of the API for the latter", "watches", "lists", "other reads", "writes", "renewals of the lease", "most memory, MiB", "KiB for each pod more")
	var few plane.Cost
	for i, pods := range sizes {
		service := fmt.Sprint("shop-", pods)
		made := p.Deploy(segue, service, pods, 1)
		replaced := p.Deploy(segue, service, pods, 2)
		t.Logf("%d pods: made in %.0f s, replaced in %.0f s, %d MiB: %v", pods, made.Took.Seconds(), replaced.Took.Seconds(), replaced.Memory>>20, replaced.Calls)
		if i == 0 {
			few = replaced
		}
		tab.row(clusterRow(pods, sizes[0], made, replaced, few)...)
		p.Remove(service)
	}
	write(t, "cluster", fmt.Sprintf("Kubernetes %s on this machine, %s nodes by kwok, which says of each pod at once that it is ready, or gone; a quarter of the pods at a time (surge 25 %%). Calls are those of the server's audit log.",
		p.Version(), thousands(nodes)), tab, nil)
}

func clusterRow(pods, fewest int, made, replaced, few plane.Cost) []string {
	calls := replaced.Calls.Without("leases")
	kind := func(verbs ...string) string {
		n := 0
		for what, times := range calls {
			for _, v := range verbs {
				if strings.HasPrefix(what, v+" ") {
					n += times
				}
			}
		}
		return thousands(n)
	}
	each := ""
	if pods > fewest {
		each = fmt.Sprintf("%.1f", float64(replaced.Memory-few.Memory)/1024/float64(pods-fewest))
	}
	return []string{thousands(pods), whole(made.Took.Seconds()), whole(replaced.Took.Seconds()), thousands(replaced.Calls.Total()),
		kind("watch"), kind("list"), kind("get"), kind("create", "update", "patch", "delete"), thousands(replaced.Calls.Total() - calls.Total()),
		mib(replaced.Memory), each}
}
