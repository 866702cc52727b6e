//go:build bench

package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const latencyRate = 1000 // requests per second: moderate for all

// TestLatency asks at a fixed rate, and tells what a proxy adds to the time
// that the instance takes by itself, in the same round.
func TestLatency(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := slices.DeleteFunc(peers(t), func(p peer) bool { return p.variant })
	p50, p99 := map[string][]float64{}, map[string][]float64{}
	ask := func(addr string, d time.Duration) drilled {
		l := b.drill(drillPlan{URL: loadURL(false, addr, "/"), Rate: latencyRate, For: d, Conns: 16})
		if l.NotSent > 0 {
			t.Fatalf("%d requests were not sent", l.NotSent)
		}
		return l
	}
	for round := range rounds {
		base := ask(up, span)
		for n := range list {
			p := list[(n+round)%len(list)]
			proc, addr := p.start(b, p, site{upstream: up})
			b.answers(false, addr)
			ask(addr, time.Second)
			l := ask(addr, span)
			if proc == nil {
				p50[p.name] = append(p50[p.name], us(l.P50))
				p99[p.name] = append(p99[p.name], us(l.P99))
				continue
			}
			p50[p.name] = append(p50[p.name], us(l.P50-base.P50))
			p99[p.name] = append(p99[p.name], us(l.P99-base.P99))
			proc.stop()
		}
		t.Logf("round %d of %d done", round+1, rounds)
	}
	var tab table
	tab.row("proxy", "p50 added, µs", "(best … worst round)", "p99 added, µs", "(best … worst round)")
	for _, p := range list {
		name := p.name
		if name == direct {
			name += " (not added: the whole)"
		}
		tab.row(name, whole(median(p50[p.name])), spread(p50[p.name], whole), whole(median(p99[p.name])), spread(p99[p.name], whole))
	}
	write(t, "latency", fmt.Sprintf("%d requests a second on 16 kept-alive connections, 100 B; %d rounds of %v each, medians; %s.",
		latencyRate, rounds, span, pinning()), tab, list)
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
