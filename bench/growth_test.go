//go:build bench

package bench

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/test/harness"
)

// A growth is one thing in the proxy's table of which there may be many.
type growth struct {
	what   string
	counts []int
	// table has n of them. The load asks for the last, at path and host.
	table func(listen string, upstreams []string, n int) (c proxy.Config, path, host string)
}

var growths = []growth{
	{"instances of a service", []int{1, 10, 100, 1000}, manyInstances},
	{"services, each with a host", []int{1, 100, 10_000}, manyHosts},
	{"services, each with a path", []int{1, 100, 10_000}, manyPaths},
}

func manyInstances(listen string, upstreams []string, n int) (proxy.Config, string, string) {
	s := proxy.Service{Name: "web", Listen: []string{listen}}
	for i := range n {
		s.Instances = append(s.Instances, proxy.Instance{ID: fmt.Sprint("web-", i), Addr: upstreams[i], Release: "1"})
	}
	return proxy.Config{Version: 1, Services: []proxy.Service{s}}, "/", "shop.example"
}

// manyHosts has hosts by name and by wildcard in turn, the last of them a
// wildcard, which is tried after all that go by name.
func manyHosts(listen string, upstreams []string, n int) (proxy.Config, string, string) {
	return manyServices(listen, upstreams, n, func(i int) proxy.Route {
		if i%2 == (n-1)%2 {
			return proxy.Route{Host: fmt.Sprintf("*.shop-%d.example", i)}
		}
		return proxy.Route{Host: fmt.Sprintf("shop-%d.example", i)}
	}), "/", fmt.Sprintf("www.shop-%d.example", n-1)
}

func manyPaths(listen string, upstreams []string, n int) (proxy.Config, string, string) {
	return manyServices(listen, upstreams, n, func(i int) proxy.Route {
		return proxy.Route{Path: fmt.Sprintf("/shops/%d/api", i)}
	}), fmt.Sprintf("/shops/%d/api/orders/12345", n-1), "shop.example"
}

func manyServices(listen string, upstreams []string, n int, route func(i int) proxy.Route) proxy.Config {
	c := proxy.Config{Version: 1}
	for i := range n {
		c.Services = append(c.Services, proxy.Service{Name: fmt.Sprint("web", i), Listen: []string{listen}, Routes: []proxy.Route{route(i)},
			Instances: []proxy.Instance{{ID: fmt.Sprintf("web%d-1", i), Addr: upstreams[0], Release: "1"}}})
	}
	return c
}

// TestGrowth tells whether a request costs Segue more when there is more in
// the table.
func TestGrowth(t *testing.T) {
	b := newBench(t)
	bin := harness.SegueFast(t)
	upstreams := startUpstreams(b, slices.Max(growths[0].counts))
	costs := map[string]*cell{}
	key := func(g growth, n int) string { return fmt.Sprint(g.what, n) }
	for round := range rounds {
		for _, g := range growths {
			for i := range g.counts {
				n := g.counts[(i+round)%len(g.counts)]
				if costs[key(g, n)] == nil {
					costs[key(g, n)] = &cell{perCPU: map[int]float64{}}
				}
				b.grown(bin, g, n, upstreams, round, costs[key(g, n)])
			}
		}
		t.Logf("round %d of %d done", round+1, rounds)
	}
	var tab table
	tab.row("what there is many of", "number", "requests per CPU-second", "(worst … best round)", "÷ the first's", "(by round)", "goal")
	for _, g := range growths {
		for i, n := range g.counts {
			c, times, goal := costs[key(g, n)], []float64(nil), ""
			if i > 0 {
				times, goal = c.over(costs[key(g, g.counts[0])]), "1"
			}
			tab.row(g.what, thousands(float64(n)), c.median(), spread(c.costs(), thousands), ratio(median(times)), spread(times, ratio), goal)
		}
	}
	write(t, "growth", fmt.Sprintf("100 B, 64 connections, HTTP/1.1; %s", how()), tab, nil)
}

func (b *bench) grown(bin string, g growth, n int, upstreams []string, round int, c *cell) {
	b.t.Helper()
	var path, host string
	proc, addr := b.segue(bin, func(listen string) (config proxy.Config) {
		config, path, host = g.table(listen, upstreams, n)
		return config
	})
	defer proc.stop()
	s := scenario{name: fmt.Sprintf("%d %s", n, g.what), path: path, conns: 64, head: []string{"Host: " + host}}
	if err := b.measure(s, proc, addr, round, c); err != nil {
		b.t.Fatal(err)
	}
}
