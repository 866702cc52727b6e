//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/test/harness"
)

// beforeEnv is the path of another build of Segue, to be measured beside this one.
const beforeEnv = "SEGUE_BENCH_BEFORE"

// pollEvery is how often the analyst asks, which is more often than the agent does.
const pollEvery = 200 * time.Millisecond

// An analysed side is a proxy with two releases, and what it has to do besides.
type analysedSide struct {
	name   string
	bin    string
	split  *proxy.Split
	polled bool
	addr   string
	pid    int
}

// TestAnalysisCost measures what it costs a proxy to be looked at by an analyst,
// and to divide requests between releases. All proxies stand side by side and are
// asked in turn, in many short rounds; who comes first turns.
func TestAnalysisCost(t *testing.T) {
	b := newBench(t)
	sides := analysedSides(b)
	var tab table
	head := []string{"requests per CPU-second"}
	for n, s := range sides {
		if head = append(head, s.name); n > 0 {
			head = append(head, "ratio", "(by round)")
		}
	}
	tab.row(head...)
	for _, s := range chosen(false) {
		if s.conns <= 100 {
			tab.row(b.compareSides(s, sides)...)
		}
	}
	write(t, "analysis", how()+" The ratio is to the first column, taken within each round.", tab, nil)
}

func analysedSides(b *bench) []*analysedSide {
	b.t.Helper()
	bin := harness.SegueFast(b.t)
	sides := []*analysedSide{
		{name: "two releases", bin: bin},
		{name: "asked 5 times a second", bin: bin, polled: true},
		{name: "split 50 : 50", bin: bin, split: &proxy.Split{Shares: []proxy.Share{{Release: "1", Weight: 1}, {Release: "2", Weight: 1}}}},
	}
	if other := os.Getenv(beforeEnv); other != "" {
		sides = append(sides, &analysedSide{name: "another build", bin: other})
	}
	up := startUpstreams(b, 2)
	for _, s := range sides {
		p, addr := b.segue(s.bin, func(listen string) proxy.Config {
			return proxy.Config{Version: 1, Services: []proxy.Service{{Name: "web", Listen: []string{listen}, Split: s.split, Instances: []proxy.Instance{
				{ID: "web-1", Addr: up[0], Release: "1"}, {ID: "web-2", Addr: up[1], Release: "2"},
			}}}}
		})
		s.addr, s.pid = addr, p.pid
		b.answers(false, addr)
	}
	return sides
}

// compareSides gives the row of a scenario.
func (b *bench) compareSides(s scenario, sides []*analysedSide) []string {
	b.t.Helper()
	cost := make([][]float64, len(sides))
	for round := range rounds {
		for n := range sides {
			n = (n + round) % len(sides)
			cost[n] = append(cost[n], b.askAnalysed(s, sides[n]))
		}
	}
	row := []string{s.name}
	for n := range sides {
		if row = append(row, thousands(median(cost[n]))); n > 0 {
			times := quotients(cost[n], cost[0])
			row = append(row, ratio(median(times)), spread(times, ratio))
		}
	}
	return row
}

// askAnalysed tells requests per second of the proxy's CPU time.
func (b *bench) askAnalysed(s scenario, side *analysedSide) float64 {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	var analyst sync.WaitGroup
	if side.polled {
		analyst.Go(func() { b.poll(ctx, side.addr) })
	}
	defer analyst.Wait()
	defer stop()
	if _, err := b.wrk(s, side.addr, s.warm()); err != nil {
		b.t.Fatal(err)
	}
	used := -b.exactly(side.pid)
	o, err := b.wrk(s, side.addr, span)
	if err != nil {
		b.t.Fatal(err)
	}
	used += b.exactly(side.pid)
	return float64(o.requests) / used.Seconds()
}

// exactly is the CPU time of a process without descendants, to the nanosecond: on
// a busy machine, a proxy gets too little of a second to be measured by the tick.
// Threads that have ended are not in it; those of Go hardly do.
func (b *bench) exactly(pid int) (all time.Duration) {
	b.t.Helper()
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // fails only for a bad pattern
	for _, name := range names {
		var ns int64
		if _, err := fmt.Sscan(first(name), &ns); err != nil {
			b.t.Fatalf("%s is not what the kernel's sched-stats.rst says: %v", name, err)
		}
		all += time.Duration(ns)
	}
	return all
}

// poll asks a proxy for its counts until ctx ends.
func (b *bench) poll(ctx context.Context, addr string) {
	client := proxy.NewClient(b.control(addr))
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if st, err := client.Status(ctx); ctx.Err() == nil && (err != nil || len(st.Services[0].Releases) == 0) {
			b.t.Errorf("the proxy tells no counts: %v", err)
		}
	}
}
