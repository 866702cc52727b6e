//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// The load is open, at a share of what the same client got answered at most.
const (
	duringConns = 64
	duringShare = 0.7
	// duringSettle is min_ready: how long each new instance serves before the
	// next is replaced.
	duringSettle = 500 * time.Millisecond
)

// TestDuringDeploy compares p99 while a service is replaced again and again
// with p99 before. Agent, proxy, instances and `segue deploy` share one CPU,
// as on a small server; the load has another. That two stretches without any
// deploy differ as well is the noise.
func TestDuringDeploy(t *testing.T) {
	b := newBench(t)
	server, load, _ := cpus()
	var before, still, during stretch
	var deploys []float64
	for round := range rounds {
		w := b.oneCPU()
		capacity := b.capacity(w.URL())
		p := drillPlan{URL: w.URL(), Rate: int(duringShare * capacity), For: 2 * span, Conns: duringConns}
		t.Logf("round %d of %d: %.0f requests/s at most, %d from now on", round+1, rounds, capacity, p.Rate)
		before.add(b.look(p, b.drill), nil)
		still.add(b.look(p, b.drill), &before)
		n := 0
		during.add(b.look(p, func(p drillPlan) (r drilled) {
			r, n = b.whileDeploying(w, p)
			return r
		}), &before)
		deploys = append(deploys, float64(n))
		w.Close()
	}
	var tab table
	tab.row("", "requests/s", "p50, µs", "p99, µs", "(best … worst round)", "÷ p99 before", "(by round)", "goal", "server's CPU busy", "the drill's own lateness, p99, µs", "not sent")
	before.row(&tab, "before", "")
	still.row(&tab, "still no deploy: the noise", "")
	during.row(&tab, fmt.Sprintf("%.0f deploys, one after another", median(deploys)), "1.2")
	write(t, "during", fmt.Sprintf("3 instances of test/service, surge 1, min_ready %v; all of the server on CPU %s, load on CPU %s; at %.0f %% of capacity, on %d kept-alive connections; %d rounds of %v each, medians.",
		duringSettle, server, load, 100*duringShare, duringConns, rounds, 2*span), tab, nil)
}

// A look is what was seen in one stretch of one round.
type look struct {
	drilled
	rate int
	busy float64 // of the server's CPU
}

func (b *bench) look(p drillPlan, through func(drillPlan) drilled) look {
	b.t.Helper()
	server, _, _ := cpus()
	began, busy := time.Now(), b.busy(server)
	r := through(p)
	return look{r, p.Rate, share(b.busy(server)-busy, time.Since(began))}
}

// A stretch is what was seen while one thing was going on, by round.
type stretch struct {
	rate, p50, p99, times, busy, late []float64
	notSent                           int64
}

// add takes the newest round in, and compares it with what was first in it.
func (s *stretch) add(l look, first *stretch) {
	s.rate = append(s.rate, float64(l.rate))
	s.p50 = append(s.p50, us(l.P50))
	s.p99 = append(s.p99, us(l.P99))
	s.busy = append(s.busy, l.busy)
	s.late = append(s.late, us(l.Late))
	s.notSent += l.NotSent
	if first != nil {
		s.times = append(s.times, us(l.P99)/first.p99[len(first.p99)-1])
	}
}

func (s *stretch) row(tab *table, name, goal string) {
	tab.row(name, thousands(median(s.rate)), whole(median(s.p50)), whole(median(s.p99)), spread(s.p99, whole),
		ratio(median(s.times)), spread(s.times, ratio), goal, percent(median(s.busy)), whole(median(s.late)), fmt.Sprint(s.notSent))
}

// oneCPU is a deployed service whose agent, and with it all that it starts, is
// held to the proxy's CPU, by a segue that begins with taskset.
func (b *bench) oneCPU() *harness.World {
	b.t.Helper()
	cpu, _, _ := cpus()
	pinned := filepath.Join(b.dir, "segue")
	script := fmt.Sprintf("#!/bin/sh\nexec taskset -c %s %s \"$@\"\n", cpu, harness.SegueFast(b.t))
	if err := os.WriteFile(pinned, []byte(script), 0o700); err != nil {
		b.t.Fatal(err)
	}
	w := harness.NewWith(b.t, pinned)
	release(w, 1)
	w.Agent()
	w.Must(0, "deploy")
	return w
}

func release(w *harness.World, number int) {
	w.Web(3, fmt.Sprint("N: ", number), fmt.Sprintf("strategy: { surge: 1, min_ready: %v }", duringSettle))
}

// whileDeploying drills, and deploys one release after another meanwhile.
func (b *bench) whileDeploying(w *harness.World, p drillPlan) (r drilled, deploys int) {
	b.t.Helper()
	over := make(chan error, 1)
	go func() {
		var err error
		r, err = b.tryDrill(p)
		over <- err
	}()
	for ; ; deploys++ {
		select {
		case err := <-over:
			if err != nil {
				b.t.Fatal(err)
			}
			return r, deploys
		default:
			release(w, deploys+2)
			w.Must(0, "deploy")
		}
	}
}

// capacity is how many requests per second are answered at most, on as many
// connections as the load will have: the rate is doubled until it is twice
// what is answered.
func (b *bench) capacity(url string) (most float64) {
	b.t.Helper()
	for rate := 4000; float64(rate) < 2*most || most == 0; rate *= 2 {
		r := b.drill(drillPlan{URL: url, Rate: rate, For: 2 * time.Second, Conns: duringConns, Flood: true})
		most = max(most, r.PerSecond)
	}
	return most
}
